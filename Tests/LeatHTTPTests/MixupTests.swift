import Glibc
import Leat
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@testable import LeatHTTP

/// Peers and moments that could make connections, places or bytes end up where they do not belong.
@Suite(.timeLimit(.minutes(5)))
struct MixupTests {
    private static let echo: HTTPServer.Handler = { request, body in
        HTTPServerResponse(body: .text("\(request.path!) \(try await body.text(upTo: 1 << 20))"))
    }

    // MARK: The client

    /// The answer is there before the request has left, which leaves at the end of the turn.
    @Test func anAnswerThatWasNotAskedForLeavesTheConnectionUnused() throws {
        try runHTTPLoop {
            let listener = try Socket.make(family: AF_INET, loop: .current)
            _ = SocketAddress.loopback(port: 0).withSockaddr { bind(listener.descriptor, $0, $1) }
            listen(listener.descriptor, 8)
            let url = HTTPURL("http://\(listener.localAddress!)/")!
            let client = HTTPClient()
            let texts = onLoop {
                // Whatever answers the first request, the second has an answer of its own.
                [try await client.get(url).text, try await client.get(url).text]
            }
            await Task.yield()
            // Both before the loop looks at the client's socket: what it then sees is a connection with an answer in it.
            let first = try #require(try accepted(listener))
            try await first.write(ok)
            onLoop { while try await first.read() != nil { try await first.write(answer("first")) } }
            onLoop {
                while true {
                    try await sleep(for: .milliseconds(1))
                    guard let second = try accepted(listener) else { continue }
                    _ = try await second.read()
                    try await second.write(answer("second"))
                }
            }
            let received = try await withTimeout(.seconds(60)) { try await texts.value }
            #expect(received == ["ok", "second"])
            await client.shutdown()
        }
    }

    private func accepted(_ listener: Socket) throws -> TCPStream? {
        listener.expectInput()
        let result = listener.tryAccept().result
        guard result >= 0 else { return nil }
        return TCPStream(try Socket(descriptor: Int32(result), loop: .current, isReady: true))
    }

    private func answer(_ text: String) -> String { "HTTP/1.1 200 OK\r\nContent-Length: \(text.count)\r\n\r\n\(text)" }

    /// A body that is sent again after its connection turned out to be stale leaves the new one in good order.
    @Test func aConnectionIsKeptAfterARequestThatWasSentAgainOnIt() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let server = onLoop {
                let first = try await listener.accept()
                _ = try await first.read()
                try await first.write(ok)
                // The second request begins to arrive, and the connection breaks.
                _ = try await first.read()
                first.abort()
                let second = try await listener.accept()
                for size in [8 << 20, 1] {
                    var received = 0
                    while received < size { received += try await second.read()?.count ?? .max / 2 }
                    try await second.write(ok)
                }
                return received(by: second)
            }
            let client = HTTPClient()
            let url = HTTPURL("http://\(listener.localAddress)/")!
            _ = try await client.get(url)
            let body = HTTPBody.bytes([UInt8](repeating: 1, count: 8 << 20))
            let response = try await client.request(.put, url, body: body)
            #expect(response.text == "ok")
            let next = try await withTimeout(.seconds(5)) { try await client.get(url) }
            #expect(next.text == "ok")
            await client.shutdown()
            try await server.value
        }
    }

    private func received(by stream: TCPStream) { stream.close() }

    /// The second try gets a new connection also if it has to wait for one.
    @Test func aSecondTryIsNotGivenAnotherStaleConnection() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[ok, ""], [ok, ""], [ok]])
            var configuration = HTTPClient.Configuration()
            configuration.maximumConnectionsPerHost = 1
            let client = HTTPClient(configuration: configuration)
            _ = try await client.get(server.url)
            // The first takes the connection, and finds it stale when the second has the place.
            let texts = try await [1, 2].concurrentMap(limit: 2) { _ in try await client.get(server.url).text }
            #expect(texts == ["ok", "ok"])
            #expect(server.requests.map(\.count) == [2, 1, 1])
            await client.shutdown()
        }
    }

    // MARK: The pool

    @Test func theLimitOfAHostHoldsForWhoWaitsBecauseOfTheTotal() throws {
        try runHTTPLoop {
            let most = Most()
            func server() throws -> HTTPServer {
                let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, _ in
                    most.enter(request.path!)
                    try await sleep(for: .seconds(request.path == "/a" ? 10 : 1))
                    most.leave(request.path!)
                    return HTTPServerResponse(body: .text("ok"))
                }
                onLoop { try await server.run() }
                return server
            }
            let (a, b) = try (server(), server())
            var configuration = HTTPClient.Configuration()
            configuration.maximumConnectionsPerHost = 2
            configuration.maximumConnections = 3
            let client = HTTPClient(configuration: configuration)
            let (toA, toB) = (HTTPURL("http://\(a.localAddress)/a")!, HTTPURL("http://\(b.localAddress)/b")!)
            // Two to B and one to A are under way; the others want A, and wait for the total to sink.
            let urls = [toB, toB, toA, toA, toA, toA, toA, toB]
            let texts = try await urls.concurrentMap(limit: urls.count) { try await client.get($0).text }
            #expect(texts == urls.map { _ in "ok" })
            #expect(most.counts["/a"] == 2 && most.counts["/b"]! <= 2, "\(most.counts)")
            await client.shutdown()
            a.beginGracefulShutdown()
            b.beginGracefulShutdown()
        }
    }

    /// How many requests were answered at once, by path.
    private final class Most: @unchecked Sendable {
        private var current: [String: Int] = [:]
        private(set) var counts: [String: Int] = [:]

        func enter(_ path: String) {
            current[path, default: 0] += 1
            counts[path] = max(counts[path] ?? 0, current[path]!)
        }

        func leave(_ path: String) { current[path]! -= 1 }
    }

    /// A waiter is cancelled, given a connection, and the client shut down, all before it runs.
    @Test func aConnectionHandedToACancelledWaiterIsClosedByTheShutdown() throws {
        try runHTTPLoop {
            let (web, signals) = try (
                TCPListener.bind(to: .loopback(port: 0)), TCPListener.bind(to: .loopback(port: 0))
            )
            var configuration = HTTPClient.Configuration()
            configuration.maximumConnectionsPerHost = 1
            let client = HTTPClient(configuration: configuration)
            let url = HTTPURL("http://\(web.localAddress)/")!
            let holder = onLoop {
                _ = try await client.get(url)
                await client.shutdown()
            }
            let stream = try await web.accept()
            _ = try await stream.read()
            let waiter = onLoop { try await client.get(url).text }
            let canceller = onLoop {
                let signal = try await TCPStream.connect(to: signals.localAddress)
                _ = try await signal.read()
                waiter.cancel()
                signal.close()
            }
            let signal = try await signals.accept()
            try await sleep(for: .seconds(1))
            // One poll sees both, in this order.
            try await signal.write("x")
            try await stream.write(ok)
            try await canceller.value
            try await holder.value
            await #expect(throws: (any Error).self) { _ = try await waiter.value }
            let rest = try await withTimeout(.seconds(5)) { try await stream.read() }
            #expect(rest == nil)
            for open in [stream, signal] { open.close() }
            for open in [web, signals] { open.close() }
            #expect(EventLoop.current.statistics.descriptors == 0)
        }
    }

    // MARK: The server

    /// The request is there when the shutdown begins, and its connection's task has been woken but has not run.
    @Test func aRequestThatArrivesWithTheShutdownIsAnswered() throws {
        try runHTTPLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0), handler: Self.echo)
            let serving = onLoop { try await server.run() }
            let signals = try TCPListener.bind(to: .loopback(port: 0))
            onLoop {
                let signal = try await TCPStream.connect(to: signals.localAddress)
                _ = try await signal.read()
                server.beginGracefulShutdown()
                signal.close()
            }
            let signal = try await signals.accept()
            let stream = try await TCPStream.connect(to: server.localAddress)
            try await stream.write("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await stream.read()
            try await signal.write("x")
            try await stream.write("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            let answer = String(decoding: try await stream.read() ?? [], as: UTF8.self)
            #expect(answer.contains("Connection: close") && answer.hasSuffix("/2 "), "\(answer)")
            stream.close()
            signal.close()
            _ = try await serving.value
        }
    }
}
