import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// Touched on one loop only.
private final class Order: @unchecked Sendable {
    var numbers: [Int] = []
}

@Suite(.timeLimit(.minutes(5)))
struct PoolTests {
    private func client(perHost: Int = 1, total: Int = 1000) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.maximumConnectionsPerHost = perHost
        configuration.maximumConnections = total
        return HTTPClient(configuration: configuration)
    }

    private func server() throws -> HTTPServer {
        let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, _ in
            if request.path == "/slow" { try await sleep(for: .seconds(1)) }
            return HTTPServerResponse(body: .text("ok"))
        }
        onLoop { try await server.run() }
        return server
    }

    @Test func requestsOverTheLimitAreServedInTheirOrder() throws {
        try runHTTPLoop {
            let server = try server()
            let client = client()
            let url = HTTPURL("http://\(server.localAddress)/slow")!
            let order = Order()
            try await withThrowingDiscardingTaskGroup { group in
                for number in 0..<20 {
                    group.addTask {
                        _ = try await client.get(url)
                        order.numbers.append(number)
                    }
                }
            }
            #expect(order.numbers == Array(0..<20))
            #expect(server.connectionCount == 1)
        }
    }

    @Test func aTotalLimitIsSharedByTheHosts() throws {
        try runHTTPLoop {
            let servers = try (0..<4).map { _ in try server() }
            let client = client(perHost: 2, total: 3)
            let answers = try await (0..<40).concurrentMap(limit: 40) { number in
                let open = servers.reduce(0) { $0 + $1.connectionCount }
                // A connection that was closed to make room may still be counted by its server.
                #expect(open <= 3 + 4)
                return try await client.get(HTTPURL("http://\(servers[number % 4].localAddress)/")!).text
            }
            #expect(answers.allSatisfy { $0 == "ok" } && answers.count == 40)
        }
    }

    /// Whoever leaves the queue in the very turn in which it is given a connection must pass it on.
    @Test func aWaiterThatGivesUpAsItIsServedLosesNothing() throws {
        try runHTTPLoop {
            let (web, signals) = try (
                TCPListener.bind(to: .loopback(port: 0)), TCPListener.bind(to: .loopback(port: 0))
            )
            let client = client()
            let url = HTTPURL("http://\(web.localAddress)/")!
            let holder = onLoop { try await client.get(url).text }
            let stream = try await web.accept()
            _ = try await stream.read()
            let waiter = onLoop { try await client.get(url).text }
            let canceller = onLoop {
                let signal = try await TCPStream.connect(to: signals.localAddress)
                _ = try await signal.read()
                waiter.cancel()
            }
            let signal = try await signals.accept()
            try await sleep(for: .seconds(1))
            // Both are seen by one poll, in this order: the waiter is cancelled, then the holder is done.
            try await signal.write("x")
            try await stream.write(ok)
            try await canceller.value
            let held = try await holder.value
            #expect(held == "ok")
            await #expect(throws: CancellationError.self) { _ = try await waiter.value }
            // The one connection is free again.
            let next = onLoop { try await withTimeout(.seconds(5)) { try await client.get(url).text } }
            try await withTimeout(.seconds(10)) { _ = try await stream.read() }
            try await stream.write(ok)
            let text = try await next.value
            #expect(text == "ok")
        }
    }

    @Test func aConnectionThatIsTooOldIsNotUsedAgain() throws {
        try runHTTPLoop {
            let scripted = try ScriptedServer([[ok, ok, ok], [ok]])
            var configuration = HTTPClient.Configuration()
            configuration.connectionLifetime = .seconds(10)
            let client = HTTPClient(configuration: configuration)
            for _ in 0..<3 {
                _ = try await client.get(scripted.url)
                try await sleep(for: .seconds(6))
            }
            #expect(scripted.requests.map(\.count) == [2, 1])
        }
    }

    @Test func requestsAreNoMoreFrequentThanTheyMayBe() throws {
        try runHTTPLoop {
            let (first, second) = (try server(), try server())
            var configuration = HTTPClient.Configuration()
            configuration.rateLimiter = RateLimiter(perSecond: 10)
            configuration.requestsPerSecondPerHost = 4
            let client = HTTPClient(configuration: configuration)
            let loop = EventLoop.current
            let begun = loop.now
            let urls = (0..<40).map { HTTPURL("http://\(($0 % 4 == 0 ? second : first).localAddress)/")! }
            _ = try await urls.concurrentMap(limit: 40) { try await client.get($0).text }
            // 30 requests to one host at 4 a second take longer than 40 to both at 10.
            let taken = begun.duration(to: loop.now) / .seconds(1)
            #expect(taken >= 7.25 && taken < 7.8, "\(taken)")
        }
    }

    @Test func shutdownFailsWhoeverWaits() throws {
        try runHTTPLoop {
            let server = try server()
            let client = client()
            let url = HTTPURL("http://\(server.localAddress)/slow")!
            let tasks = (0..<3).map { _ in onLoop { try await client.get(url).text } }
            try await sleep(for: .milliseconds(100))
            await client.shutdown()
            let first = try await tasks[0].value
            #expect(first == "ok")
            for task in tasks[1...] {
                let error = await #expect(throws: HTTPError.self) { _ = try await task.value }
                #expect(error?.kind == .shutdown)
            }
        }
    }
}
