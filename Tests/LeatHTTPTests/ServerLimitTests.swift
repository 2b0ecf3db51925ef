import Glibc
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// What a server does not put up with for ever: clients that are slow, silent or many.
@Suite(.timeLimit(.minutes(5)))
struct ServerLimitTests {
    // MARK: Too slow in sending

    /// Sends `beginning`, and then `drop` so many times with pauses. Returns when the server had ended the connection, counted
    /// from the beginning, and what it had said.
    private func drip(
        _ beginning: String,
        _ drop: String,
        every pause: Duration,
        times: Int,
        to server: HTTPServer
    ) async throws -> (time: Duration, answer: String) {
        let client = try await RawClient.connect(to: server)
        defer { client.stream.close() }
        let clock = EventLoop.current.clock
        let begun = clock.now
        onLoop {
            try await client.send(beginning)
            for _ in 0..<times {
                try await sleep(for: pause)
                try await client.send(drop)
            }
        }
        var answer = ""
        do {
            while let piece = try await client.piece(within: pause * times + .seconds(200)) { answer += piece }
        } catch let error as NetworkError where error.kind == .reset {}
        let time = begun.duration(to: clock.now)
        // The server may listen a little longer, so that its answer is not lost.
        try await sleep(for: .seconds(10))
        return (time, answer)
    }

    /// Each byte comes in time, and the last in a month.
    @Test(arguments: ["Content-Length: 65536", "Transfer-Encoding: chunked"], ["/collect", "/read", "/ignore"])
    func aBodyThatDripsForEverIsEnded(framing: String, path: String) throws {
        try withHTTPServer(handler: { request, body in
            switch request.path! {
            case "/collect": _ = try await body.collect(upTo: 1 << 20)
            case "/read": while try await body.read() != nil {}
            default: break
            }
            return HTTPServerResponse()
        }) { server in
            let head = "POST \(path) HTTP/1.1\r\nHost: a\r\n\(framing)\r\n\r\n"
            let drop = framing.hasPrefix("C") ? "x" : "1\r\nx\r\n"
            let (time, _) = try await drip(head, drop, every: .seconds(40), times: 100, to: server)
            #expect(time <= .seconds(300), "\(time)")
            #expect(server.connectionCount == 0)
        }
    }

    @Test func aSlowBodyThatKeepsToTheRateIsRead() throws {
        try withHTTPServer(handler: { _, body in
            HTTPServerResponse(body: .text("\(try await body.collect(upTo: 1 << 20).count)"))
        }) { server in
            let client = try await RawClient.connect(to: server)
            try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n")
            for _ in 0..<400 {
                try await client.send(String(repeating: "x", count: 1000))
                try await sleep(for: .seconds(1))
            }
            #expect(try await client.response()?.text == "400000")
            client.stream.close()
        }
    }

    /// The first head of a connection, and a later one; a request line, a field, and the empty lines that may stand before them.
    @Test(arguments: [0, 1, 2], ["GET /x", "GET / HTTP/1.1\r\nHost: a\r\nX: y", "\r\n"])
    func aHeadThatDripsForEverIsEnded(requestsBefore: Int, beginning: String) throws {
        try withHTTPServer(handler: { _, _ in HTTPServerResponse() }) { server in
            let before = String(repeating: RawClient.get("/"), count: requestsBefore)
            let drop = beginning == "\r\n" ? "\r\n" : "x"
            let (time, answer) = try await drip(
                before + beginning,
                drop,
                every: .seconds(5),
                times: 300,
                to: server
            )
            #expect(time <= .seconds(75), "\(time)")
            let statuses = answer.split(separator: "HTTP/1.1 ").map { $0.prefix(3) }
            #expect(statuses.prefix(requestsBefore) == Array(repeating: "200", count: requestsBefore)[...])
            // Empty lines are no request that could be answered.
            if beginning != "\r\n" { #expect(statuses.last == "408", "\(answer)") }
            #expect(server.connectionCount == 0)
        }
    }

    // MARK: Too slow in reading

    private static let large = [UInt8](repeating: 0x7E, count: 50_000_000)
    private static let medium = Array(large[..<60_000])

    /// One long response, one without end, and many of all sizes whose requests do not end either. The kernel's buffers hold some
    /// of it (tcp_wmem, tcp_rmem in tcp(7)); what is made beyond that lies in this process.
    @Test(arguments: ["/large", "/stream", "/medium/pipelined", "/small/pipelined"])
    func aClientThatTakesNoResponseIsEndedAfterTheWriteTimeout(path: String) throws {
        var configuration = HTTPServer.Configuration()
        configuration.writeTimeout = .seconds(10)
        let made = Shared(0)
        try withHTTPServer(
            configuration,
            handler: { request, _ in
                switch request.path! {
                case "/large":
                    return HTTPServerResponse(body: .bytes(Self.large))
                case "/stream":
                    return HTTPServerResponse(
                        body: .stream { writer in
                            while made.value < 100_000_000 {
                                try await writer.write(Self.medium)
                                made.value += Self.medium.count
                            }
                        }
                    )
                case "/medium/pipelined":
                    made.value += Self.medium.count
                    return HTTPServerResponse(body: .bytes(Self.medium))
                default:
                    made.value += 100
                    return HTTPServerResponse()
                }
            }
        ) { server in
            let client = try await RawClient.connect(to: server)
            _ = onLoop {
                let request = RawClient.get(path)
                if !path.hasSuffix("pipelined") { return try await client.send(request) }
                let requests = String(repeating: request, count: 1000)
                for _ in 0..<1000 { try await client.send(requests) }
            }
            let clock = EventLoop.current.clock
            let begun = clock.now
            try await sleep(for: .seconds(1))
            #expect(server.connectionCount == 1)
            while server.connectionCount > 0, begun.duration(to: clock.now) < .seconds(500) {
                try await sleep(for: .milliseconds(100))
            }
            let time = begun.duration(to: clock.now)
            #expect(time >= .seconds(10) && time <= .seconds(25), "\(path): \(time)")
            #expect(made.value < 16 << 20, "\(path): \(made.value) bytes")
            client.stream.close()
        }
    }

    /// The kernel's buffers are full with the first response, or nearly so, and the second waits in the server's.
    @Test func aClientThatDoesNotTakeItsLastResponseIsEndedAfterTheWriteTimeout() throws {
        var configuration = HTTPServer.Configuration()
        configuration.writeTimeout = .seconds(10)
        try withHTTPServer(
            configuration,
            handler: { request, _ in
                HTTPServerResponse(body: .bytes(Array(Self.large.prefix(Int(request.path!.dropFirst())!))))
            }
        ) { server in
            // The steps are smaller than the second response: it is the one that does not fit first.
            for size in stride(from: 100_000, to: Self.large.count, by: 50_000) {
                let (received, time) = try await self.takeLate([size, 60_000], from: server)
                // What the kernel has taken altogether leaves an idle connection.
                if received == size + 60_000 { continue }
                #expect(time >= .seconds(10) && time <= .seconds(25), "\(size): \(time)")
                return
            }
            Issue.record("the kernel took everything")
        }
    }

    /// Asks for responses of these sizes at once, and reads only when the server has ended the connection: how many bytes of their
    /// bodies there are, and how long that took.
    private func takeLate(_ sizes: [Int], from server: HTTPServer) async throws -> (received: Int, time: Duration) {
        let clock = EventLoop.current.clock
        let client = try await RawClient.connect(to: server)
        defer { client.stream.close() }
        try await client.send(sizes.map { RawClient.get("/\($0)") }.joined())
        let begun = clock.now
        try await sleep(for: .milliseconds(1))
        while server.connectionCount > 0, begun.duration(to: clock.now) < .seconds(500) {
            try await sleep(for: .milliseconds(100))
        }
        let time = begun.duration(to: clock.now)
        var received = 0
        do {
            // Bodies consist of tildes, and heads have none.
            while let piece = try await client.piece() { received += piece.utf8.count { $0 == 0x7E } }
        } catch let error as NetworkError where error.kind == .reset {}
        return (received, time)
    }

    // MARK: Too long unused

    @Test func idleConnectionsAreClosedInTheOrderInWhichTheyBecameIdle() throws {
        var configuration = HTTPServer.Configuration()
        configuration.idleTimeout = .seconds(60)
        try withHTTPServer(configuration, handler: { _, _ in HTTPServerResponse() }) { server in
            let clock = EventLoop.current.clock
            let ends = Shared<[(client: Int, time: LoopInstant)]>([])
            var clients: [RawClient] = []
            for _ in 0..<10 { clients.append(try await RawClient.connect(to: server)) }
            // The first and the fifth are used again, so they become idle late.
            let uses = [3, 0, 7, 4, 1, 9, 5, 2, 8, 6, 0, 4]
            var idleSince: [Int: LoopInstant] = [:]
            for number in uses {
                _ = try await clients[number].get("/")
                idleSince[number] = clock.now
                try await sleep(for: .seconds(3))
            }
            for (number, client) in clients.enumerated() {
                onLoop {
                    try await client.end()
                    ends.value.append((number, clock.now))
                }
            }
            try await sleep(for: .seconds(200))
            #expect(ends.value.map(\.client) == [3, 7, 1, 9, 5, 2, 8, 6, 0, 4])
            for (client, end) in ends.value {
                let time = idleSince[client]!.duration(to: end)
                #expect(time >= .seconds(60) && time <= .seconds(62), "\(client): \(time)")
            }
            #expect(server.connectionCount == 0)
        }
    }

    /// Neither while its handler runs, nor while its response is streamed, nor in the time that the next request is given.
    @Test(arguments: ["/handler", "/stream"])
    func anIdleConnectionIsNotClosedWhileItsRequestIsBeingAnswered(path: String) throws {
        var configuration = HTTPServer.Configuration()
        configuration.idleTimeout = .seconds(5)
        try withHTTPServer(
            configuration,
            handler: { request, _ in
                guard request.path == "/stream" else {
                    try await sleep(for: .seconds(20))
                    return HTTPServerResponse(body: .text("late"))
                }
                return HTTPServerResponse(
                    body: .stream { writer in
                        try await writer.write("la")
                        try await sleep(for: .seconds(20))
                        try await writer.write("te")
                    }
                )
            }
        ) { server in
            let client = try await RawClient.connect(to: server)
            let clock = EventLoop.current.clock
            for _ in 0..<3 {
                let begun = clock.now
                #expect(try await client.get(path)?.text == "late")
                #expect(begun.duration(to: clock.now) >= .seconds(20))
                try await sleep(for: .seconds(4))
            }
            let last = clock.now
            try await client.end()
            #expect(last.duration(to: clock.now) <= .seconds(3))
            client.stream.close()
        }
    }

    // MARK: Too many

    /// The new client gets the descriptor of the one that has been idle for longest, and the others keep theirs.
    @Test func descriptorExhaustionClosesTheLongestIdleConnectionFirst() async {
        await #expect(processExitsWith: .success) { try Self.exhaustDescriptors() }
    }

    private static func exhaustDescriptors() throws {
        try withHTTPServer(handler: { request, _ in
            if request.path == "/busy" { try await sleep(for: .seconds(30)) }
            return HTTPServerResponse(body: .text(request.path!))
        }) { server in
            let busy = try await RawClient.connect(to: server)
            try await busy.send(RawClient.get("/busy"))
            var idle: [RawClient] = []
            for _ in 0..<5 {
                idle.append(try await RawClient.connect(to: server))
                try await sleep(for: .seconds(1))
            }
            for number in [2, 0, 4, 1, 3] {
                #expect(try await idle[number].get("/idle")?.text == "/idle")
                try await sleep(for: .seconds(1))
            }
            let clock = EventLoop.current.clock
            let begun = clock.now
            let client = try await Self.withOneDescriptorLeft {
                let client = try await RawClient.connect(to: server)
                #expect(try await client.get("/new")?.text == "/new")
                return client
            }
            // Nobody had to wait for an idle timeout.
            #expect(begun.duration(to: clock.now) < .seconds(5))
            try await idle[2].end()
            #expect(begun.duration(to: clock.now) < .seconds(5))
            for number in [0, 4, 1, 3] { #expect(try await idle[number].get("/again")?.text == "/again") }
            #expect(try await busy.response()?.text == "/busy")
            #expect(try await client.get("/last")?.text == "/last")
        }
    }

    /// One for the new client's end of a connection, and none for the server's.
    private static func withOneDescriptorLeft<T>(_ body: () async throws -> T) async throws -> T {
        var old = rlimit()
        let resource = __rlimit_resource_t(7)  // RLIMIT_NOFILE
        getrlimit(resource, &old)
        let next = dup(0)
        close(next)
        var new = rlimit(rlim_cur: rlim_t(next) + 1, rlim_max: old.rlim_max)
        #expect(setrlimit(resource, &new) == 0)
        defer { setrlimit(resource, &old) }
        return try await body()
    }
}
