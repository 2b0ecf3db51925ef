import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// A task that is cancelled after any number of steps of its loop, wherever it then waits: afterwards nothing is left, and
/// the next request on the same client succeeds.
@Suite(.timeLimit(.minutes(5)))
struct CancellationTests {
    /// What is cancelled.
    enum Scenario: CaseIterable {
        case get, redirect, streamedRedirect, retry, rateLimit, pool, expectContinue, earlyResponse, upload,
            chunkedUpload
        case bodyReader, lines, events, batch, batchInOrder, concurrentMap
    }

    private static let chunk = [UInt8](repeating: 7, count: 1 << 20)

    /// Begins a scenario; `url` answers by its path.
    private static func run(_ scenario: Scenario, _ client: HTTPClient, _ url: HTTPURL) async throws {
        @Sendable func to(_ path: String) -> HTTPURL { HTTPURL("\(url)\(path)")! }
        func stream(_ path: String, _ body: (HTTPBodyReader) async throws -> Void) async throws {
            let request = HTTPClientRequest(.get, to(path))
            try await client.perform(request) { try await body($1) }
        }
        switch scenario {
        case .get: _ = try await client.get(to("stall"))
        case .redirect: _ = try await client.get(to("redirect"))
        case .streamedRedirect: try await stream("redirect") { _ = try await $0.read() }
        case .retry:
            let retry = RetryPolicy(retries: 1_000_000)
            _ = try await client.execute(HTTPClientRequest(.get, to("busy")), retry: retry)
        case .rateLimit: while true { _ = try await client.get(to("")) }
        case .pool: _ = try await [1, 2, 3].concurrentMap(limit: 3) { _ in try await client.get(to("stall")) }
        case .expectContinue:
            _ = try await client.post(to("stall"), headerFields: [.expect: "100-continue"], body: .text("body"))
        case .earlyResponse: _ = try await client.post(to("early"), body: .bytes(chunk + chunk + chunk + chunk))
        case .upload: _ = try await client.post(to("stall"), body: .bytes(chunk + chunk + chunk + chunk))
        case .chunkedUpload:
            _ = try await client.post(to("stall"), body: .stream { while true { try await $0.write(chunk) } })
        case .bodyReader: try await stream("lines") { for try await _ in $0 {} }
        case .lines: try await stream("lines") { for try await _ in $0.lines() {} }
        case .events: try await stream("lines") { for try await _ in $0.serverSentEvents() {} }
        case .batch, .batchInOrder:
            let requests = (0...).lazy.map { HTTPClientRequest(.get, to(["", "busy", "stall", "redirect"][$0 % 4])) }
            let order = scenario == .batch ? HTTPBatchOrder.completion : .input
            let retry = RetryPolicy(retries: 2)
            for try await _ in client.batch(requests, concurrency: 4, retry: retry, order: order) {}
        case .concurrentMap:
            _ = try await (0..<100).concurrentMap(limit: 5) {
                try await client.get(to($0 % 2 == 0 ? "" : "stall")).text
            }
        }
    }

    private static func server() throws -> HTTPServer {
        try HTTPServer.bind(to: .loopback(port: 0)) { request, body in
            switch request.path! {
            case "/stall":
                try await sleep(for: .seconds(100))
                return HTTPServerResponse()
            case "/redirect":
                return HTTPServerResponse(status: .found, headerFields: [.location: "/redirect2"], body: .text("moved"))
            case "/redirect2": return HTTPServerResponse(status: .found, headerFields: [.location: "/stall"])
            case "/busy": return HTTPServerResponse(status: .serviceUnavailable)
            case "/early": return HTTPServerResponse(status: .contentTooLarge, body: .stream { try await lines($0) })
            case "/lines": return HTTPServerResponse(body: .stream { try await lines($0) })
            default: return HTTPServerResponse(body: .text("fine"))
            }
        }
    }

    private static func lines(_ writer: HTTPBodyWriter) async throws {
        while true {
            try await writer.write("data: half")
            await Task.yield()
            try await writer.write(" of it\n\n")
            try await sleep(for: .milliseconds(1))
        }
    }

    /// In between turns of the loop, or in between jobs of one turn.
    @Test(arguments: Scenario.allCases, [true, false])
    func aCancellationAtAnyStepLeavesNothing(scenario: Scenario, betweenTurns: Bool) throws {
        for steps in 0..<(betweenTurns ? 25 : 50) {
            try runHTTPLoop {
                let server = try Self.server()
                let serving = onLoop { try await server.run() }
                var configuration = HTTPClient.Configuration()
                configuration.redirects.limit = 3
                if scenario == .pool { configuration.maximumConnectionsPerHost = 2 }
                if scenario == .rateLimit { configuration.rateLimiter = RateLimiter(perSecond: 1) }
                let client = HTTPClient(configuration: configuration)
                let url = HTTPURL("http://\(server.localAddress)/")!
                let task = onLoop { try await Self.run(scenario, client, url) }
                for _ in 0..<steps {
                    if betweenTurns { try await sleep(for: .nanoseconds(1)) } else { await Task.yield() }
                }
                task.cancel()
                let loop = EventLoop.current
                let cancelled = loop.now
                do {
                    try await task.value
                    Issue.record("\(scenario) was not cancelled after \(steps) steps")
                } catch is CancellationError {
                } catch {
                    Issue.record("\(error) after \(steps) steps")
                }
                #expect(cancelled.duration(to: loop.now) < .milliseconds(1), "\(scenario) after \(steps) steps")
                let next = try await client.get(url)
                #expect(next.text == "fine")
                await client.shutdown()
                server.beginGracefulShutdown()
                _ = try await serving.value
                try await sleep(for: .seconds(200))
                let statistics = loop.statistics
                #expect(
                    statistics.descriptors == 0 && statistics.timers == 0 && statistics.waits == 0,
                    "\(scenario) after \(steps) steps: \(statistics)"
                )
            }
        }
    }
}
