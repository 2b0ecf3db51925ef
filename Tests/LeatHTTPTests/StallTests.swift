import Glibc
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// A peer that stops, or ends, in each phase of a request.
@Suite(.timeLimit(.minutes(5)))
struct StallTests {
    /// Every timeout is different, so that the time says which one it was.
    private var configuration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.poolTimeout = .seconds(2)
        configuration.connectTimeout = .seconds(3)
        configuration.tlsTimeout = .seconds(4)
        configuration.firstByteTimeout = .seconds(5)
        configuration.readTimeout = .seconds(6)
        configuration.maximumConnectionsPerHost = 1
        return configuration
    }

    /// Requires that `body` times out in this phase, after this time, and that another request to `url` then succeeds.
    private func expect(
        _ phase: HTTPError.Phase,
        after seconds: Int,
        _ client: HTTPClient,
        _ words: Comment? = nil,
        _ body: () async throws -> Void
    ) async throws {
        let error = await #expect(throws: HTTPError.self, words) { try await body() }
        #expect(error?.kind == .timeout && error?.phase == phase, "\(error as Any) \(words?.rawValue ?? "")")
        let elapsed = error?.elapsed ?? .zero
        #expect(elapsed >= .seconds(seconds) && elapsed < .seconds(seconds) + .milliseconds(100), "\(elapsed)")
    }

    private func expectNothingLeft() async throws {
        try await sleep(for: .seconds(200))
        let statistics = EventLoop.current.statistics
        #expect(statistics.descriptors == 0 && statistics.timers == 0 && statistics.waits == 0, "\(statistics)")
    }

    static let halves = [
        "H", "HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\nX: y", "HTTP/1.1 103 Early Hints\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n",
    ]

    @Test(arguments: halves)
    func aResponseThatStopsIsLateInReading(half: String) throws {
        try runHTTPLoop {
            for isStreamed in [false, true] {
                // Answers with the half, waits for the client to give up, and serves the next connection well.
                let server = try TCPListener.bind(to: .loopback(port: 0))
                onLoop {
                    for answer in [half, ok] {
                        let stream = try await server.accept()
                        _ = try await stream.read()
                        try await stream.write(answer)
                        _ = try? await stream.read()
                        stream.close()
                    }
                    server.close()
                }
                let client = HTTPClient(configuration: configuration)
                let url = HTTPURL("http://\(server.localAddress)/")!
                try await expect(.read, after: 6, client) {
                    if !isStreamed { return _ = try await client.get(url) }
                    let request = HTTPClientRequest(.get, url)
                    try await client.perform(request) { _, body in while try await body.read() != nil {} }
                }
                let next = try await client.get(url)
                #expect(next.text == "ok")
                await client.shutdown()
            }
            try await expectNothingLeft()
        }
    }

    /// The same places, where the connection ends.
    @Test(arguments: halves)
    func aResponseThatEndsEarlyIsIncompleteAndTriedAgain(half: String) throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[half], [half], [ok]])
            let client = HTTPClient()
            let error = await #expect(throws: HTTPError.self) { _ = try await client.get(server.url) }
            #expect(error?.kind == .incomplete, "\(error as Any)")
            let request = HTTPClientRequest(.get, server.url)
            let response = try await client.execute(request, retry: RetryPolicy(retries: 1))
            #expect(response.text == "ok" && server.requests.count == 3)
            await client.shutdown()
            server.listener.close()
            try await expectNothingLeft()
        }
    }

    @Test func thePhasesBeforeTheResponseHaveTheirOwnLimits() throws {
        try runHTTPLoop {
            let silent = try TCPListener.bind(to: .loopback(port: 0))
            let url = HTTPURL("http://\(silent.localAddress)/")!
            let client = HTTPClient(configuration: configuration)
            try await expect(.firstByte, after: 5, client) { _ = try await client.get(url) }
            // While somebody has the only connection.
            let holder = onLoop { try await client.get(url) }
            await Task.yield()
            try await expect(.pool, after: 2, client) { _ = try await client.get(url) }
            holder.cancel()
            _ = try? await holder.value
            // Nobody shakes hands there.
            if TLSFixtures.isAvailable {
                let secure = HTTPURL("https://\(silent.localAddress)/")!
                try await expect(.tls, after: 4, client) { _ = try await client.get(secure) }
            }
            // A time that has passed before the system's resolver can answer.
            var hasty = configuration
            hasty.resolveTimeout = .zero
            let resolving = HTTPClient(configuration: hasty)
            try await expect(.resolve, after: 0, resolving) { _ = try await resolving.get("http://localhost:1/") }
            silent.close()
            await client.shutdown()
            await resolving.shutdown()
            // The look-up goes on by itself.
            while EventLoop.current.statistics.waits > 0 { try await sleep(for: .milliseconds(1)) }
        }
    }

    /// A listener whose backlog is full answers no connection request.
    @Test func aConnectionThatIsNotAnsweredIsLateInConnecting() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0), backlog: 0)
            let filler = try await TCPStream.connect(to: listener.localAddress)
            let client = HTTPClient(configuration: configuration)
            let url = HTTPURL("http://\(listener.localAddress)/")!
            try await expect(.connect, after: 3, client) { _ = try await client.get(url) }
            filler.close()
            listener.close()
            try await expectNothingLeft()
        }
    }
}
