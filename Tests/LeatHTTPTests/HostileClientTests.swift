import Glibc
import Leat
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@testable import LeatHTTP

/// A server whose clients pipeline, read slowly, close one half, or vanish, while its responses wait for the end of the turn.
@Suite(.timeLimit(.minutes(5)))
struct HostileClientTests {
    private static let large = (0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

    private func server(_ configure: (inout HTTPServer.Configuration) -> Void = { _ in }) throws -> HTTPServer {
        var configuration = HTTPServer.Configuration()
        configure(&configuration)
        let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { request, body in
            let length = try await body.collect(upTo: 1 << 20).count
            switch request.path! {
            case "/large": return HTTPServerResponse(body: .bytes(Self.large))
            case "/medium": return HTTPServerResponse(body: .bytes(Array(Self.large[..<60_000])))
            case "/stream":
                return HTTPServerResponse(
                    body: .stream { writer in
                        for start in stride(from: 0, to: 1_000_000, by: 50_000) {
                            try await writer.write(Array(Self.large[start..<start + 50_000]))
                        }
                    }
                )
            case "/failing":
                return HTTPServerResponse(
                    body: .stream { writer in
                        try await writer.write("a part")
                        throw Failure()
                    }
                )
            default: return HTTPServerResponse(body: .text("\(request.path!) \(length)"))
            }
        }
        onLoop { try await server.run() }
        return server
    }

    private struct Failure: Error {}

    /// All that comes until the end, read in small pieces with pauses.
    private func readSlowly(_ stream: TCPStream) async throws -> [UInt8] {
        var all: [UInt8] = []
        while let bytes = try await stream.read(upTo: 20_000) {
            all += bytes
            try await sleep(for: .milliseconds(1))
        }
        return all
    }

    /// The bodies of the responses in `bytes`, as the client's own parser takes them.
    private func bodies(_ bytes: [UInt8], _ methods: [HTTPRequest.Method]) throws -> [[UInt8]] {
        var parser = HTTPParser(role: .response, limits: HTTPLimits())
        var bodies: [[UInt8]] = []
        var rest = bytes[...]
        for method in methods {
            parser.expectResponse(to: method)
            var body: [UInt8] = []
            parsing: while true {
                var consumed = 0
                let event = try rest.withUnsafeBytes { rest in
                    let event = try parser.parse(rest, consumed: &consumed)
                    if case .body(let range) = event { body += rest[range] }
                    return event
                }
                rest = rest.dropFirst(consumed)
                switch event {
                case .head: _ = parser.takeResponseHead()
                case .end: break parsing
                case .needMore:
                    #expect(rest.isEmpty)
                    break parsing
                case .body: break
                }
            }
            bodies.append(body)
        }
        #expect(rest.isEmpty)
        return bodies
    }

    /// Everything in one go, whatever the sizes, to a client that has ended its side already.
    @Test(arguments: [0, 1, 7, 100])
    func pipelinedRequestsAreAnsweredInOrderToAClientThatReadsSlowly(split: Int) throws {
        try runHTTPLoop {
            let server = try server()
            let paths = ["/1", "/large", "/2", "/stream", "/medium", "/medium", "/3", "/large", "/4"]
            var methods = [HTTPRequest.Method](repeating: .get, count: paths.count)
            methods[2] = .head
            methods[7] = .head
            methods[8] = .post
            var requests = ""
            for (path, method) in zip(paths, methods) {
                requests += "\(method.rawValue) \(path) HTTP/1.1\r\nHost: a\r\n"
                requests += method == .post ? "Content-Length: 5\r\n\r\nhello" : "\r\n"
            }
            let stream = try await TCPStream.connect(to: server.localAddress)
            var rest = Array(requests.utf8)[...]
            while !rest.isEmpty {
                try await stream.write(Array(rest.prefix(split == 0 ? .max : split)))
                rest = rest.dropFirst(split == 0 ? .max : split)
                await Task.yield()
            }
            stream.finishWriting()
            let answers = try bodies(try await readSlowly(stream), methods)
            let expected = [
                Array("/1 0".utf8), Self.large, [], Array(Self.large[..<1_000_000]), Array(Self.large[..<60_000]),
                Array(Self.large[..<60_000]), Array("/3 0".utf8), [], Array("/4 5".utf8),
            ]
            #expect(answers.map(\.count) == expected.map(\.count))
            #expect(answers == expected)
            stream.close()
            server.beginGracefulShutdown()
        }
    }

    @Test(arguments: ["/large", "/stream", "/medium", "/1"])
    func aClientOfHTTP10GetsAllBeforeTheEnd(path: String) throws {
        try runHTTPLoop {
            let server = try server()
            let stream = try await TCPStream.connect(to: server.localAddress)
            try await stream.write("GET \(path) HTTP/1.0\r\n\r\n")
            let body = try bodies(try await readSlowly(stream), [.get])[0]
            let sizes = ["/large": 5_000_000, "/stream": 1_000_000, "/medium": 60_000, "/1": 4]
            #expect(body.count == sizes[path])
            stream.close()
            server.beginGracefulShutdown()
        }
    }

    /// Half a body that ends with the connection would otherwise look like a whole one.
    @Test func aBodyThatFailsHalfWayIsNoEndToAClientOfHTTP10() throws {
        try runHTTPLoop {
            let server = try server()
            let stream = try await TCPStream.connect(to: server.localAddress)
            try await stream.write("GET /failing HTTP/1.0\r\n\r\n")
            let error = await #expect(throws: NetworkError.self) { _ = try await readSlowly(stream) }
            #expect(error?.kind == .reset)
            stream.close()
            server.beginGracefulShutdown()
        }
    }

    /// What was written is sent when the server shuts down before the end of the turn, and while a client reads slowly.
    @Test(arguments: ["/1", "/medium", "/large", "/stream"])
    func aGracefulShutdownLosesNoResponse(path: String) throws {
        for steps in 0..<12 {
            try runHTTPLoop {
                let server = try server()
                let stream = try await TCPStream.connect(to: server.localAddress)
                // The server accepts before the shutdown begins.
                try await stream.write("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
                let first = try await stream.read()!
                try await stream.write("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                try await sleep(for: .nanoseconds(1))
                for _ in 0..<steps { await Task.yield() }
                server.beginGracefulShutdown()
                let answers = try bodies(first + (try await readSlowly(stream)), [.get, .get])
                let sizes = ["/large": 5_000_000, "/stream": 1_000_000, "/medium": 60_000, "/1": 4]
                #expect(answers[1].count == sizes[path], "after \(steps) steps")
                stream.close()
            }
        }
    }

    /// Clients that go, one way or the other, at every moment of their requests.
    @Test func clientsThatVanishLeaveNothing() throws {
        for steps in 0..<15 {
            for isAbrupt in [false, true] {
                try runHTTPLoop {
                    let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in
                        HTTPServerResponse(body: .bytes(Array(Self.large[..<60_000])))
                    }
                    let serving = onLoop { try await server.run() }
                    var streams: [TCPStream] = []
                    for _ in 0..<40 {
                        let stream = try await TCPStream.connect(to: server.localAddress)
                        try await stream.write(String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 3))
                        streams.append(stream)
                    }
                    for _ in 0..<steps { await Task.yield() }
                    for stream in streams { if isAbrupt { stream.abort() } else { stream.close() } }
                    let text = try await HTTPClient().get(HTTPURL("http://\(server.localAddress)/")!).body.count
                    #expect(text == 60_000)
                    try await sleep(for: .seconds(100))
                    server.beginGracefulShutdown()
                    _ = try await serving.value
                    try await sleep(for: .seconds(100))
                    #expect(EventLoop.current.statistics.waits == 0)
                }
            }
        }
    }

    /// A flush takes as many jobs as it has records, and the turns end in between.
    @Test(.enabled(if: TLSFixtures.isAvailable), arguments: 1..<12)
    func aResponseThatWaitsForTheEndOfTheTurnIsNotSentTwice(operations: Int) throws {
        var configuration = EventLoop.Configuration()
        configuration.clock = .manual(ManualClock(autojump: true))
        configuration.debug = false
        configuration.maximumOperationsPerJob = operations
        configuration.maximumJobsPerTurn = 1
        try EventLoop.run(configuration: configuration) {
            let server = try server {
                $0.tls = TLSFixtures.shared.server()
            }
            let context = try TLSContext(TLSFixtures.shared.client, role: .client)
            let socket = try await Socket.connect(to: server.localAddress, loop: .current)
            let channel = try TLSChannel(context, socket: socket, serverName: "localhost", port: 1)
            try await channel.handshake(until: .distantFuture)
            let http = HTTPConnection(socket: socket, tls: channel, role: .response, limits: HTTPLimits())
            // A record each, which the server finds one after the other without waiting.
            let paths = ["/1", "/medium", "/medium", "/2", "/medium", "/medium", "/medium", "/3"]
            for path in paths {
                http.output.append("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(http.isFlushed())
            }
            var sizes: [Int] = []
            while sizes.count < paths.count {
                if sizes.count == 0 || http.isBetweenMessages { http.parser.expectResponse(to: .get) }
                var size = 0
                reading: while true {
                    switch try http.tryNext() {
                    case .head: _ = http.parser.takeResponseHead()
                    case .body(let bytes): size += bytes.count
                    case .end: break reading
                    case nil:
                        let isOpen = try await http.fill()
                        try #require(isOpen)
                    }
                }
                sizes.append(size)
            }
            #expect(sizes == paths.map { $0 == "/medium" ? 60_000 : 4 })
            let error = await #expect(throws: NetworkError.self) { try await http.fill(timeout: 1_000_000_000) }
            #expect(error?.kind == .timedOut && !http.hasUnparsedBytes)
            http.close()
            server.beginGracefulShutdown()
        }
    }
}
