import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// Deadlines that come from around a request, and times that do not count.
@Suite(.timeLimit(.minutes(5)))
struct DeadlineTests {
    @Test func aScopeThatRunsOutSaysWhatTheRequestWasDoing() throws {
        try runHTTPLoop {
            let silent = try TCPListener.bind(to: .loopback(port: 0))
            let client = HTTPClient()
            let url = HTTPURL("http://\(silent.localAddress)/")!
            let error = await #expect(throws: TimeoutError.self) {
                try await withTimeout(.seconds(3)) { _ = try await client.get(url) }
            }
            #expect(error?.detail?.contains("3.0 seconds") == true && error!.detail!.contains("first byte"))
            await client.shutdown()
        }
    }

    @Test func theInnermostAndEarliestDeadlineHolds() throws {
        try runHTTPLoop {
            #expect(EventLoop.currentDeadline == nil)
            let now = EventLoop.current.clock.now
            try await withDeadline(now.advanced(by: .seconds(5))) {
                try await withTimeout(.seconds(60)) {
                    #expect(EventLoop.currentDeadline == now.advanced(by: .seconds(5)))
                    async let child = EventLoop.currentDeadline
                    #expect(await child == now.advanced(by: .seconds(5)))
                }
                try await withTimeout(.seconds(1)) {
                    #expect(EventLoop.currentDeadline == now.advanced(by: .seconds(1)))
                }
            }
            #expect(EventLoop.currentDeadline == nil)
        }
    }

    /// An error of the request's own timeouts is not mistaken for the scope's.
    @Test func aTimeoutWithinTheScopeStaysWhatItIs() throws {
        try runHTTPLoop {
            let silent = try TCPListener.bind(to: .loopback(port: 0))
            var configuration = HTTPClient.Configuration()
            configuration.firstByteTimeout = .seconds(2)
            let client = HTTPClient(configuration: configuration)
            let url = HTTPURL("http://\(silent.localAddress)/")!
            let error = await #expect(throws: HTTPError.self) {
                try await withTimeout(.seconds(30)) { _ = try await client.get(url) }
            }
            #expect(error?.phase == .firstByte)
            await client.shutdown()
        }
    }

    @Test func aRetryThatWouldComeTooLateIsNotWaitedFor() throws {
        try runHTTPLoop {
            let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n"
            let server = try ScriptedServer([[busy, ok]])
            let client = HTTPClient()
            let start = EventLoop.current.clock.now
            let response = try await withTimeout(.seconds(50)) {
                try await client.execute(HTTPClientRequest(.get, server.url), retry: RetryPolicy(retries: 3))
            }
            #expect(response.status == .serviceUnavailable)
            #expect(start.duration(to: EventLoop.current.clock.now) < .seconds(1))
            await client.shutdown()
        }
    }

    @Test func waitingForARateLimitIsNotPartOfARequestsTime() throws {
        try runHTTPLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, _ in
                if request.path == "/away" {
                    return HTTPServerResponse(status: .found, headerFields: [.location: "/"])
                }
                return HTTPServerResponse(body: .text("ok"))
            }
            onLoop { try await server.run() }
            var configuration = HTTPClient.Configuration()
            configuration.totalTimeout = .seconds(2)
            configuration.rateLimiter = RateLimiter(perSecond: 1)
            let client = HTTPClient(configuration: configuration)
            let texts = try await (0..<8).concurrentMap(limit: 8) { _ in
                try await client.get(HTTPURL("http://\(server.localAddress)/away")!).text
            }
            #expect(texts == [String](repeating: "ok", count: 8))
            // But it is part of the scope's.
            let error = await #expect(throws: TimeoutError.self) {
                try await withTimeout(.milliseconds(500)) {
                    for _ in 0..<3 { _ = try await client.get(HTTPURL("http://\(server.localAddress)/")!) }
                }
            }
            #expect(error?.detail?.contains("0.5 seconds; its last phase was rate limit") == true, "\(error as Any)")
            await client.shutdown()
            server.beginGracefulShutdown()
        }
    }

    @Test func aTextIsRelativeToTheBase() throws {
        try runHTTPLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, _ in
                HTTPServerResponse(body: .text("\(request.method) \(request.path!)"))
            }
            onLoop { try await server.run() }
            var configuration = HTTPClient.Configuration()
            configuration.baseURL = HTTPURL("http://\(server.localAddress)/api/v2/")!
            let client = HTTPClient(configuration: configuration)
            let number = 7
            #expect(try await client.get("users/\(number)?x=1").text == "GET /api/v2/users/7?x=1")
            #expect(try await client.post("/root", body: .none).text == "POST /root")
            #expect(try await client.post("form", form: [("a", "b")]).text == "POST /api/v2/form")
            #expect(try await client.post("form", form: MultipartForm()).text == "POST /api/v2/form")
            #expect(try await client.request(.put, "http://\(server.localAddress)/whole").text == "PUT /whole")
            await #expect(throws: HTTPError.self) { _ = try await client.get("two words") }
            let baseless = HTTPClient()
            let error = await #expect(throws: HTTPError.self) { _ = try await baseless.get("/relative") }
            #expect(error?.kind == .invalidRequest && error!.message.contains("baseURL"))
            await client.shutdown()
            server.beginGracefulShutdown()
        }
    }
}
