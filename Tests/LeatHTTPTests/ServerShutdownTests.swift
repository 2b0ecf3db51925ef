import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// A shutdown ends in time whatever handlers do, and answers every request that was sent to it.
@Suite(.timeLimit(.minutes(5)))
struct ServerShutdownTests {
    private static let hello: HTTPServer.Handler = { request, _ in HTTPServerResponse(body: .text(request.path!)) }

    // MARK: It ends in time

    /// Waits until the flag is set, whether or not the task is cancelled.
    private static func waitStubbornly(for flag: Shared<Bool>) async {
        _ = await onLoop { while !flag.value { try await sleep(for: .milliseconds(100)) } }.result
    }

    @Test func shutdownTimeoutBoundsAHandlerThatIgnoresCancellation() throws {
        let mayEnd = Shared(false)
        let ended = Shared(0)
        try runBoundedLoop {
            var configuration = HTTPServer.Configuration()
            configuration.shutdownTimeout = .seconds(5)
            var server: HTTPServer! = try .bind(to: .loopback(port: 0), configuration: configuration) { request, _ in
                defer { ended.value += 1 }
                switch request.path! {
                case "/stubborn": await Self.waitStubbornly(for: mayEnd)
                case "/stream":
                    return HTTPServerResponse(
                        body: .stream { writer in
                            await Self.waitStubbornly(for: mayEnd)
                            try await writer.write("late")
                        }
                    )
                default: try await sleep(for: .seconds(3600))
                }
                return HTTPServerResponse()
            }
            let run = ServerRun(server)
            var clients: [RawClient] = []
            for path in ["/stubborn", "/stubborn", "/stream", "/cancellable"] {
                clients.append(try await RawClient.connect(to: server))
                try await clients.last!.send(RawClient.get(path))
            }
            try await sleep(for: .seconds(1))
            let begun = EventLoop.current.clock.now
            server.beginGracefulShutdown()
            do {
                #expect(try await run.result(within: .seconds(100)) == 4)
                let time = begun.duration(to: try #require(run.end))
                #expect(time >= .seconds(5) && time < .seconds(7), "\(time)")
                #expect(server.connectionCount == 0)
                for client in clients { try await client.end(within: .seconds(5)) }
            } catch {
                Issue.record("run() had not returned after 100 seconds: \(error)")
            }
            // That they go on harms nobody, also when the server is no more.
            server = nil
            mayEnd.value = true
            try await sleep(for: .seconds(10))
            #expect(ended.value == 4)
            for client in clients { client.stream.close() }
            #expect(run.isOver && EventLoop.current.statistics.descriptors == 0)
        }
    }

    /// Idle ones, and some with a handler that takes longer than the shutdown may.
    @Test(arguments: [0, 1, 3])
    func aServerAtItsMaximumOfConnectionsShutsDownAtOnce(busy: Int) throws {
        try runBoundedLoop {
            var configuration = HTTPServer.Configuration()
            configuration.maximumConnections = 3
            configuration.shutdownTimeout = .seconds(5)
            let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { request, _ in
                if request.path == "/busy" { try await sleep(for: .seconds(60)) }
                return HTTPServerResponse()
            }
            let run = ServerRun(server)
            var clients: [RawClient] = []
            for number in 0..<3 {
                let client = try await RawClient.connect(to: server)
                #expect(try await client.get("/")?.status == 200)
                if number < busy { try await client.send(RawClient.get("/busy")) }
                clients.append(client)
            }
            // It waits for a place by now.
            try await sleep(for: .seconds(1))
            let begun = EventLoop.current.clock.now
            server.beginGracefulShutdown()
            #expect(try await run.result() == busy)
            let time = begun.duration(to: try #require(run.end))
            let timeout = Duration.seconds(busy > 0 ? 5 : 0)
            #expect(time >= timeout && time < timeout + .seconds(2), "\(time)")
            for client in clients { client.stream.close() }
        }
    }

    @Test func aCancelledRunEndsAtOnceAtItsMaximumOfConnections() throws {
        try runBoundedLoop {
            var configuration = HTTPServer.Configuration()
            configuration.maximumConnections = 1
            let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { _, _ in
                try await sleep(for: .seconds(60))
                return HTTPServerResponse()
            }
            let run = ServerRun(server)
            let client = try await RawClient.connect(to: server)
            try await client.send(RawClient.get("/"))
            try await sleep(for: .seconds(1))
            let begun = EventLoop.current.clock.now
            run.cancel()
            await #expect(throws: CancellationError.self) { try await run.result() }
            #expect(begun.duration(to: try #require(run.end)) < .seconds(1))
            try await client.end(within: .seconds(5))
            client.stream.close()
        }
    }

    @Test func idleConnectionsDoNotHoldAShutdownUp() throws {
        try runBoundedLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0), handler: Self.hello)
            let run = ServerRun(server)
            var clients: [RawClient] = []
            for number in 0..<20 {
                let client = try await RawClient.connect(to: server)
                if number % 2 == 0 { #expect(try await client.get("/")?.status == 200) }
                clients.append(client)
            }
            try await sleep(for: .seconds(1))
            let begun = EventLoop.current.clock.now
            server.beginGracefulShutdown()
            #expect(try await run.result() == 0)
            #expect(begun.duration(to: try #require(run.end)) < .seconds(3))
            for client in clients {
                #expect(try await client.response() == nil)
                client.stream.close()
            }
        }
    }

    @Test func aServerCanBeShutDownBeforeItRuns() throws {
        try runBoundedLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0), handler: Self.hello)
            let begun = EventLoop.current.clock.now
            server.beginGracefulShutdown()
            server.beginGracefulShutdown()
            let run = ServerRun(server)
            #expect(try await run.result() == 0)
            #expect(begun.duration(to: try #require(run.end)) < .seconds(2))
            let error = await #expect(throws: NetworkError.self) { _ = try await RawClient.connect(to: server) }
            #expect(error?.kind == .refused)
            #expect(EventLoop.current.statistics.descriptors == 0)
        }
    }

    /// Also while it waits for a place, and the first call goes on as if nothing had happened.
    @Test(arguments: [1, 10])
    func runCalledTwiceThrows(maximumConnections: Int) throws {
        try runBoundedLoop {
            var configuration = HTTPServer.Configuration()
            configuration.maximumConnections = maximumConnections
            let server = try HTTPServer.bind(
                to: .loopback(port: 0),
                configuration: configuration,
                handler: Self.hello
            )
            let run = ServerRun(server)
            let client = try await RawClient.connect(to: server)
            #expect(try await client.get("/1")?.text == "/1")
            let second = ServerRun(server)
            await #expect(throws: (any Error).self) { try await second.result(within: .seconds(5)) }
            #expect(second.isOver && !run.isOver)
            #expect(try await client.get("/2")?.text == "/2")
            client.stream.close()
            let another = try await RawClient.connect(to: server)
            #expect(try await another.get("/3")?.text == "/3")
            another.stream.close()
            server.beginGracefulShutdown()
            #expect(try await run.result() == 0)
        }
    }

    // MARK: It loses no request

    /// A body whose beginning, at least, is there when the shutdown begins, in one segment with the head or behind it. The answer
    /// is longer than one system call sends.
    @Test(arguments: [0, 5, 50_000, 3_000_000], [true, false])
    func aRequestThatHasArrivedBeforeShutdownIsAnswered(length: Int, together: Bool) throws {
        let padding = String(repeating: "x", count: 6_000_000)
        try runBoundedLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, body in
                let count = try await body.collect(upTo: 1 << 24).count
                return HTTPServerResponse(body: .text("\(count) \(padding)"))
            }
            let run = ServerRun(server)
            let client = try await RawClient.connect(to: server)
            _ = try await client.get("/")
            try await sleep(for: .seconds(1))
            let request = RawClient.post("/", body: String(repeating: "b", count: length))
            let head = request.dropLast(length)
            if together {
                try await client.send(String(request.prefix(head.count + 10_000)))
            } else {
                try await client.send(String(head))
                try await client.send(String(request.dropFirst(head.count).prefix(10_000)))
            }
            server.beginGracefulShutdown()
            try await client.send(String(request.dropFirst(head.count + 10_000)))
            let response = try #require(try await client.response())
            #expect(response.status == 200 && response.closes)
            #expect(response.text == "\(length) \(padding)")
            // An end, not a reset.
            #expect(try await client.piece() == nil)
            client.stream.close()
            #expect(try await run.result() == 0)
        }
    }

    /// Of a keep-alive connection, and of one that has not been used yet.
    @Test(arguments: [true, false])
    func aRequestOnItsWayDuringShutdownIsAnswered(isFirst: Bool) throws {
        try runBoundedLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0), handler: Self.hello)
            let run = ServerRun(server)
            let client = try await RawClient.connect(to: server)
            if !isFirst { #expect(try await client.get("/1")?.text == "/1") }
            try await sleep(for: .seconds(1))
            server.beginGracefulShutdown()
            try await sleep(for: .milliseconds(5))
            let response = try await client.get("/2")
            #expect(response?.text == "/2" && response?.closes == true)
            #expect(try await client.response() == nil)
            client.stream.close()
            #expect(try await run.result() == 0)
        }
    }

    /// How many requests clients have sent, and had answered.
    private final class Tally: @unchecked Sendable {
        var sent = 0
        var answered = 0
        var failures: [String] = []
    }

    /// Sends a request as soon as it has the answer to the one before, or a little later, until the server says that it was the
    /// last. It never tries again.
    private static func keepBusy(_ client: RawClient, _ number: Int, _ tally: Tally) async {
        var sent = 0
        do {
            while true {
                let path = "/\(number)/\(sent)"
                tally.sent += 1
                sent += 1
                try await client.send(RawClient.post(path, body: "body"))
                guard let response = try await client.response() else {
                    tally.failures.append("no answer to \(path)")
                    return
                }
                if response.text == path { tally.answered += 1 }
                if response.closes { return client.stream.close() }
                if number % 4 > 0 { try await sleep(for: .microseconds((number * 131 + sent * 57) % 2000)) }
            }
        } catch {
            tally.failures.append("request \(sent) of client \(number): \(error)")
        }
    }

    @Test func twoHundredBusyClientsLoseNoRequestInAShutdown() throws {
        let (tally, handled) = (Tally(), Shared(0))
        try runBoundedLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, body in
                _ = try await body.collect(upTo: 10)
                handled.value += 1
                if handled.value % 3 > 0 { try await sleep(for: .microseconds(handled.value % 1500)) }
                return HTTPServerResponse(body: .text(request.path!))
            }
            let run = ServerRun(server)
            var clients: [RawClient] = []
            for _ in 0..<200 { clients.append(try await RawClient.connect(to: server)) }
            let tasks = clients.enumerated().map { number, client in
                onLoop { await Self.keepBusy(client, number, tally) }
            }
            try await sleep(for: .milliseconds(50))
            server.beginGracefulShutdown()
            for task in tasks { try await task.value }
            #expect(tally.failures.isEmpty, "\(tally.failures.count): \(tally.failures.prefix(5))")
            #expect(tally.sent == tally.answered && tally.answered == handled.value && handled.value > 1000)
            #expect(try await run.result() == 0)
        }
    }

    /// The kernel has made these connections, and taken their requests, before the server could see them.
    @Test(arguments: [1, 300])
    func connectionsInTheBacklogAreServedInAShutdown(count: Int) throws {
        try runBoundedLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0), handler: Self.hello)
            let run = ServerRun(server)
            try await sleep(for: .seconds(1))
            var clients: [BlockingClient] = []
            for number in 0..<count {
                clients.append(try BlockingClient(to: server))
                try clients.last!.send(RawClient.get("/\(number)"))
            }
            server.beginGracefulShutdown()
            for (number, client) in clients.enumerated() {
                let answer = try await client.receiveAll()
                #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.hasSuffix("\r\n\r\n/\(number)"), "\(answer)")
                #expect(answer.contains("Connection: close\r\n"))
                client.close()
            }
            #expect(try await run.result() == 0)
        }
    }
}
