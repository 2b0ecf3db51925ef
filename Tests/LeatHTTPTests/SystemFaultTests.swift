import Glibc
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// Exchanges between a client and a server while the system calls of both do less than they could, or fail.
@Suite(.timeLimit(.minutes(5)))
struct SystemFaultTests {
    /// A server that answers with what it was sent, and its client.
    private struct Pair {
        let client: HTTPClient
        let server: HTTPServer
        let serving: Task<Int, any Error>
        let url: HTTPURL

        init(secure: Bool) throws {
            var configuration = HTTPServer.Configuration()
            var clientConfiguration = HTTPClient.Configuration()
            if secure {
                configuration.tls = TLSFixtures.shared.server()
                clientConfiguration.tls = TLSFixtures.shared.client
            }
            server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { request, body in
                let bytes = try await body.collect(upTo: 1 << 22)
                guard request.path == "/stream" else { return HTTPServerResponse(body: .bytes(bytes)) }
                return HTTPServerResponse(body: SystemFaultTests.pieces(bytes, length: nil))
            }
            client = HTTPClient(configuration: clientConfiguration)
            url = HTTPURL("http\(secure ? "s" : "")://\(server.localAddress)/")!
            serving = onLoop { [server] in try await server.run() }
        }

        /// Ends both, and checks that nothing of them is left.
        func end(_ comment: Comment? = nil) async throws {
            await client.shutdown()
            server.beginGracefulShutdown()
            _ = try await serving.value
            try await sleep(for: .seconds(200))
            let statistics = EventLoop.current.statistics
            #expect(
                statistics.descriptors == 0 && statistics.timers == 0 && statistics.waits == 0,
                "\(statistics) \(comment?.rawValue ?? "")"
            )
        }
    }

    private static func pieces(_ bytes: [UInt8], length: Int?) -> HTTPBody {
        .stream(length: length) { writer in
            for start in stride(from: 0, to: bytes.count, by: 7001) {
                try await writer.write(Array(bytes[start..<min(start + 7001, bytes.count)]))
            }
        }
    }

    private static func content(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    }

    /// Some requests of every form, one after the other and together.
    private static func exchange(_ pair: Pair, _ count: Int) async throws {
        let bytes = content(count)
        let bodies = [HTTPBody.bytes(bytes), pieces(bytes, length: count), pieces(bytes, length: nil)]
        for path in ["", "stream"] {
            let url = HTTPURL("\(pair.url)\(path)")!
            for body in bodies {
                let response = try await pair.client.post(url, body: body)
                #expect(response.body == bytes)
            }
            let texts = try await (0..<3).concurrentMap(limit: 3) { number in
                try await pair.client.post(url, body: .text("number \(number)")).text
            }
            #expect(texts == ["number 0", "number 1", "number 2"])
            let head = try await pair.client.request(.head, url)
            #expect(head.status == .ok)
        }
    }

    // MARK: Less than it could

    @Test(arguments: [false, true])
    func oneByteAtATimeIsEnough(secure: Bool) throws {
        try FaultPlan([:], sizes: [.send: { 1 }, .receive: { 1 }]).apply {
            try runHTTPLoop {
                let pair = try Pair(secure: secure)
                try await Self.exchange(pair, 600)
                try await pair.end()
            }
        }
    }

    @Test(arguments: [false, true], 0..<8)
    func anyNumberOfBytesAtATimeIsEnough(secure: Bool, seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let plan = FaultPlan(
            [:],
            sizes: [
                .send: { Int.random(in: 1...(seed % 2 == 0 ? 40_000 : 900), using: &generator) },
                .receive: { Int.random(in: 1...(seed % 4 < 2 ? 40_000 : 900), using: &generator) },
            ]
        )
        try plan.apply {
            try runHTTPLoop {
                let pair = try Pair(secure: secure)
                try await Self.exchange(pair, 150_000)
                try await pair.end()
            }
        }
    }

    @Test(arguments: [false, true], 0..<8)
    func interruptionsAndFalseAlarmsDoNotMatter(secure: Bool, seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        var faults: [FaultPlan.Call: [Int32]] = [:]
        for call in [FaultPlan.Call.send, .receive] {
            faults[call] = (0..<2000).map { _ in [0, EINTR, EAGAIN].randomElement(using: &generator)! }
        }
        let plan = FaultPlan(faults)
        try plan.apply {
            try runHTTPLoop {
                let pair = try Pair(secure: secure)
                try await Self.exchange(pair, 30_000)
                try await pair.end()
            }
        }
        #expect(plan.delivered > 20)
    }

    // MARK: Failures

    /// Fails the call with this number, of those of both sides, and requires that what follows succeeds.
    private func fail(
        _ call: FaultPlan.Call,
        _ code: Int32,
        at number: Int,
        secure: Bool,
        _ body: @escaping @Sendable (Pair) async throws -> Void
    ) throws {
        let words: Comment = "\(call) number \(number) fails with \(code)"
        try FaultPlan([call: [Int32](repeating: 0, count: number) + [code]]).apply {
            try runHTTPLoop {
                let pair = try Pair(secure: secure)
                do {
                    try await body(pair)
                } catch let error as HTTPError {
                    #expect([.connection, .connect, .incomplete, .tls].contains(error.kind), "\(error) \(words)")
                }
                // What has not failed by now fails here.
                for attempt in 0..<3 {
                    do {
                        let text = try await pair.client.post(pair.url, body: .text("next")).text
                        #expect(text == "next", words)
                        if attempt > 0 { break }
                    } catch let error as HTTPError {
                        #expect(attempt == 0, "\(error) \(words)")
                    }
                }
                try await pair.end(words)
            }
        }
    }

    @Test(arguments: [ECONNRESET, EPIPE, ENOBUFS, ENOMEM], [false, true])
    func aCallThatFailsFailsOneRequestOfItsConnection(code: Int32, secure: Bool) throws {
        for call in [FaultPlan.Call.send, .receive] {
            for number in 0..<12 {
                try fail(call, code, at: number, secure: secure) { pair in
                    let bytes = Self.content(100_000)
                    for body in [HTTPBody.none, .bytes(bytes), Self.pieces(bytes, length: nil)] {
                        let response = try await pair.client.post(pair.url, body: body)
                        // The server says so if it could not read the request.
                        if response.status == .ok {
                            #expect(response.body == (body.length == 0 ? [] : bytes), "\(response.status)")
                        }
                    }
                }
            }
        }
    }

    @Test(arguments: [FaultPlan.Call.socket, .connect, .control, .accept], [EMFILE, ENFILE, ENOBUFS, ENOMEM])
    func aConnectionThatCannotBeMadeFailsOneRequest(call: FaultPlan.Call, code: Int32) throws {
        for number in 0..<6 {
            // The first socket, and what makes the loop, are not the client's.
            try fail(call, code, at: number + (call == .accept ? 0 : call == .control ? 3 : 1), secure: false) { pair in
                let texts = try await (0..<6).concurrentMap(limit: 6) { number in
                    try await pair.client.post(pair.url, body: .text("\(number)")).text
                }
                #expect(texts == (0..<6).map { "\($0)" })
            }
        }
    }

    /// Half of the requests find a descriptor, and the others are told why not; afterwards there are some again.
    @Test func aProcessWithoutDescriptorsGoesOnWhenItHasSomeAgain() async {
        await #expect(processExitsWith: .success) {
            try runHTTPLoop {
                let pair = try Pair(secure: false)
                _ = try await pair.client.get(pair.url)
                var old = rlimit()
                getrlimit(__rlimit_resource_t(7), &old)
                let next = dup(0)
                close(next)
                var new = rlimit(rlim_cur: rlim_t(next) + 9, rlim_max: old.rlim_max)
                precondition(setrlimit(__rlimit_resource_t(7), &new) == 0)
                let outcomes = await withTaskGroup(of: Int32.self) { group in
                    for number in 0..<50 {
                        group.addTask {
                            do {
                                let text = try await pair.client.post(pair.url, body: .text("\(number)")).text
                                precondition(text == "\(number)")
                                return 0
                            } catch {
                                // Or the connection is made, and the server has no descriptor to accept it with.
                                guard let error = error as? HTTPError, error.phase != .firstByte else { return 0 }
                                return (error.underlying as? NetworkError)?.code ?? -1
                            }
                        }
                    }
                    return await group.reduce(into: [Int32]()) { $0.append($1) }
                }
                precondition(outcomes.allSatisfy { $0 == 0 || $0 == EMFILE })
                precondition(outcomes.contains(0) && outcomes.contains(EMFILE))
                precondition(setrlimit(__rlimit_resource_t(7), &old) == 0)
                let texts = try await (0..<50).concurrentMap(limit: 50) { number in
                    try await pair.client.post(pair.url, body: .text("\(number)")).text
                }
                precondition(texts == (0..<50).map { "\($0)" })
                await pair.client.shutdown()
                pair.server.beginGracefulShutdown()
                _ = try await pair.serving.value
                precondition(EventLoop.current.statistics.descriptors == 0)
            }
        }
    }
}
