import Leat
import LeatNet
import Testing

/// A loop that was held up by a computation: what has arrived meanwhile is not late, and what begins afterwards has all its time.
@Suite(.timeLimit(.minutes(5)))
struct LateLoopTests {
    private func run(_ body: sending @escaping (ManualClock) async throws -> Void) throws {
        let clock = ManualClock(autojump: true)
        var configuration = EventLoop.Configuration()
        configuration.clock = .manual(clock)
        try EventLoop.run(configuration: configuration) { try await body(clock) }
    }

    private func impatientClient() -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.totalTimeout = .seconds(1)
        configuration.firstByteTimeout = .seconds(1)
        configuration.maximumConnectionsPerHost = 1_000
        return HTTPClient(configuration: configuration)
    }

    @Test func aRequestAfterALongComputationHasItsWholeTime() throws {
        try run { clock in
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in
                try await sleep(for: .milliseconds(500))
                return HTTPServerResponse()
            }
            onLoop { try await server.run() }
            let client = self.impatientClient()
            clock.advance(by: .milliseconds(1_200))
            #expect(try await client.get("http://\(server.localAddress)/").status == .ok)
            await client.shutdown()
            server.beginGracefulShutdown()
        }
    }

    /// More answers than the poller takes at a time lie in the kernel when their deadlines have passed.
    @Test func answersThatHaveArrivedAreNotLate() throws {
        try run { clock in
            let count = 300
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let peer = onLoop {
                var streams: [TCPStream] = []
                while streams.count < count {
                    let stream = try await listener.accept()
                    _ = try await stream.read()
                    streams.append(stream)
                }
                for stream in streams { try await stream.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") }
                clock.advance(by: .milliseconds(1_500))
                return streams
            }
            let client = self.impatientClient()
            let url = HTTPURL("http://\(listener.localAddress)/")!
            let texts = try await (0..<count).concurrentMap(limit: count) { _ in try await client.get(url).text }
            #expect(texts == Array(repeating: "ok", count: count))
            await client.shutdown()
            for stream in try await peer.value { stream.close() }
        }
    }

    @Test func aServersPeersAreNotTakenForIdleWhileItComputes() throws {
        try run { clock in
            var configuration = HTTPServer.Configuration()
            configuration.idleTimeout = .seconds(10)
            let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { request, _ in
                if request.uri.path == "/compute" { clock.advance(by: .seconds(60)) }
                return HTTPServerResponse()
            }
            onLoop { try await server.run() }
            let (busy, other) = (try await RawClient.connect(to: server), try await RawClient.connect(to: server))
            #expect(try await other.get("/")?.status == 200)
            try await other.send(RawClient.get("/next"))
            #expect(try await busy.get("/compute")?.status == 200)
            #expect(try await other.response()?.status == 200)
            #expect(try await busy.get("/")?.status == 200)
            busy.stream.close()
            other.stream.close()
            server.beginGracefulShutdown()
        }
    }
}
