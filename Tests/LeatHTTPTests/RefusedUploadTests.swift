import CLinux
import Glibc
import Leat
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@testable import LeatHTTP

/// What becomes of a request body that the handler has not read.
@Suite(.timeLimit(.minutes(5)))
struct RefusedUploadTests {
    /// Without TLS and with it.
    private static let transports = TLSFixtures.isAvailable ? [false, true] : [false]

    /// A client that says what it is told to, when it is told to.
    private final class Uploader: @unchecked Sendable {
        let http: HTTPConnection

        init(_ server: HTTPServer, secure: Bool = false) async throws {
            let socket = try await Socket.connect(to: server.localAddress, loop: .current)
            var channel: TLSChannel?
            if secure {
                let context = try TLSContext(TLSFixtures.shared.client, role: .client)
                channel = try TLSChannel(context, socket: socket, serverName: "localhost", port: 1)
                try await channel!.handshake(until: .distantFuture)
            }
            http = HTTPConnection(socket: socket, tls: channel, role: .response, limits: HTTPLimits())
        }

        func send(_ text: String) async throws {
            http.output.append(text)
            try await http.flush(timeout: .max)
        }

        /// What has come, or comes first; empty at the end of the stream.
        func receive() async throws -> String {
            if !http.hasUnparsedBytes { _ = try await http.fill() }
            return String(decoding: http.takeUnparsed(upTo: .max), as: UTF8.self)
        }

        /// All that comes until the end of the stream. A reset is an error.
        func receiveAll() async throws -> String {
            var all = ""
            while case let piece = try await receive(), !piece.isEmpty { all += piece }
            return all
        }
    }

    /// Starts a server that reads the body if the path says so, and shuts it down after `body`.
    private func withServer(
        secure: Bool = false,
        realTime: Bool = false,
        _ body: sending @escaping (HTTPServer) async throws -> Void
    ) throws {
        try runHTTPLoop(realTime: realTime) {
            var configuration = HTTPServer.Configuration()
            if realTime { configuration.writeTimeout = .seconds(10) }
            if secure { configuration.tls = TLSFixtures.shared.server() }
            let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { request, body in
                switch request.path! {
                case "/read": return .init(body: .text("read \(try await body.collect(upTo: 1 << 22).count)"))
                case "/taste": _ = try await body.read()
                case "/large": return .init(body: .bytes([UInt8](repeating: 7, count: 30_000_000)))
                case "/leave":
                    onLoop { try await body.collect(upTo: 1 << 20) }
                    for _ in 0..<20 { await Task.yield() }
                default: break
                }
                return .init(status: .unauthorized, body: .text("no"))
            }
            let serving = onLoop { try await server.run() }
            try await body(server)
            server.beginGracefulShutdown()
            let cancelled = try await serving.value
            #expect(cancelled == 0)
            #expect(server.connectionCount == 0)
        }
    }

    private static func head(_ path: String, _ framing: String) -> String {
        "POST \(path) HTTP/1.1\r\nHost: a\r\n\(framing)\r\n\r\n"
    }

    private static func octets(_ count: Int) -> String { String(repeating: "x", count: count) }

    /// A request whose body has 100,000 octets: its beginning, and the rest.
    private static func upload(_ path: String, chunked: Bool) -> (String, String) {
        chunked
            ? (head(path, "Transfer-Encoding: chunked") + "186a0\r\n" + octets(1_000), octets(99_000) + "\r\n0\r\n\r\n")
            : (head(path, "Content-Length: 100000") + octets(1_000), octets(99_000))
    }

    @Test(arguments: transports, ["/refuse", "/taste"])
    func aRefusalDoesNotWaitForTheUpload(secure: Bool, path: String) throws {
        for chunked in [false, true] {
            try withServer(secure: secure) { server in
                let client = try await Uploader(server, secure: secure)
                let began = EventLoop.current.now
                let (beginning, rest) = Self.upload(path, chunked: chunked)
                try await client.send(beginning)
                let answer = try await client.receive()
                #expect(answer.hasPrefix("HTTP/1.1 401 ") && answer.hasSuffix("no"))
                #expect(EventLoop.current.now == began)
                // And the connection goes on behind the upload, even if that takes its time.
                #expect(!answer.contains("Connection: close"))
                for start in stride(from: 0, to: rest.utf8.count, by: 9_000) {
                    try await sleep(for: .seconds(4))
                    try await client.send(String(rest.dropFirst(start).prefix(9_000)))
                }
                try await client.send(Self.head("/read", "Content-Length: 3") + "abc")
                let next = try await client.receive()
                #expect(next.hasPrefix("HTTP/1.1 200 ") && next.hasSuffix("read 3"))
                client.http.close()
            }
        }
    }

    @Test(arguments: transports)
    func whatComesRightBehindTheUploadIsAnswered(secure: Bool) throws {
        try withServer(secure: secure) { server in
            let client = try await Uploader(server, secure: secure)
            let (beginning, rest) = Self.upload("/refuse", chunked: true)
            try await client.send(beginning)
            _ = try await client.receive()
            try await client.send(rest + Self.head("/read", "Content-Length: 3") + "abc" + beginning)
            var answers = ""
            while !answers.hasSuffix("no") { answers += try await client.receive() }
            #expect(answers.split(separator: "HTTP/1.1 ").map { $0.prefix(3) } == ["200", "401"])
            client.http.close()
        }
    }

    /// The client reads nothing before it has sent everything. (In real time: the kernel needs it to open a window again.)
    @Test(arguments: transports, ["Content-Length: 3000000", "Transfer-Encoding: chunked"])
    func aLargeRestEndsTheConnectionWithoutAReset(secure: Bool, framing: String) throws {
        try withServer(secure: secure, realTime: true) { server in
            let client = try await Uploader(server, secure: secure)
            try await client.send(Self.head("/refuse", framing))
            _ = await client.http.socket.waitReadable()
            try await client.send(framing.hasSuffix("chunked") ? "2dc6c0\r\n" : "")
            for _ in 0..<300 { try await client.send(Self.octets(10_000)) }
            let answer = try await client.receiveAll()
            #expect(answer.hasPrefix("HTTP/1.1 401 ") && answer.hasSuffix("no"))
            // Of chunks nobody knew how many would come.
            #expect(answer.contains("Connection: close") != framing.hasSuffix("chunked"))
            client.http.close()
        }
    }

    @Test(arguments: [("1000", 60..<64), ("262144", 60..<64), ("262145", 1..<3), ("1000000", 1..<3)])
    func aDrippingUploaderIsNotReadForEver(length: String, seconds: Range<Int>) throws {
        try withServer { server in
            let client = try await Uploader(server)
            let began = EventLoop.current.now
            try await client.send(Self.head("/refuse", "Content-Length: \(length)"))
            let answer = try await client.receive()
            #expect(answer.contains("Connection: close") == (seconds.lowerBound == 1))
            // Sending fails some time after the server has closed.
            await #expect(throws: NetworkError.self) {
                for _ in 0..<500 {
                    try await client.send("x")
                    try await sleep(for: .milliseconds(500))
                }
            }
            let taken = began.duration(to: EventLoop.current.now)
            #expect(seconds.contains(Int(taken.components.seconds)), "\(taken)")
            client.http.close()
        }
    }

    @Test func anUploadOfChunksIsDroppedUpToALimit() throws {
        try withServer { server in
            for (count, goesOn) in [(50_000, true), (70_000, false)] {
                let client = try await Uploader(server)
                try await client.send(Self.head("/refuse", "Transfer-Encoding: chunked"))
                _ = try await client.receive()
                // What the coding adds counts as well: 4 octets of it to one of body.
                let chunks = String(repeating: "1\r\nx\r\n", count: count / 6 * 5) + "0\r\n\r\n"
                try await client.send(chunks + Self.head("/read", "Content-Length: 3") + "abc")
                if goesOn {
                    #expect(try await client.receive().hasSuffix("read 3"))
                } else {
                    #expect(try await client.receiveAll() == "")
                }
                client.http.close()
            }
        }
    }

    @Test func chunksThatAreMalformedEndTheConnection() throws {
        try withServer { server in
            let head = Self.head("/refuse", "Transfer-Encoding: chunked")
            let client = try await Uploader(server)
            try await client.send(head + "1\r\nx\r\nno chunk\r\n")
            let answer = try await client.receiveAll()
            #expect(answer.hasPrefix("HTTP/1.1 401 ") && answer.contains("Connection: close"))
            let late = try await Uploader(server)
            try await late.send(head + "1\r\nx\r\n")
            _ = try await late.receive()
            try await late.send("no chunk\r\n")
            #expect(try await late.receiveAll() == "")
            for client in [client, late] { client.http.close() }
        }
    }

    /// Of three large uploads the second is in part beyond what one read receives.
    @Test(arguments: [100, 40_000])
    func pipelinedAnswersStillLeaveTogether(size: Int) throws {
        try withServer { server in
            let client = try await Uploader(server)
            // Makes the kernel's buffers large enough.
            try await client.send(Self.head("/read", "Content-Length: 4000000") + Self.octets(4_000_000))
            #expect(try await client.receive().hasSuffix("read 4000000"))
            let sendsBefore = SystemCalls.counts.send
            let upload = Self.head("/refuse", "Content-Length: \(size)") + Self.octets(size)
            client.http.output.append(upload + upload + upload)
            try #require(client.http.isFlushed())
            let answers = try await client.receive()
            #expect(answers.split(separator: "HTTP/1.1 ").map { $0.prefix(3) } == ["401", "401", "401"])
            #expect(SystemCalls.counts.send - sendsBefore == 2)
            client.http.close()
        }
    }

    /// The response does not fit in the buffers either: somebody has to read, and the client does not yet. In real time, as
    /// above.
    @Test(arguments: transports)
    func aClientThatSendsAllBeforeItReadsGetsALongResponse(secure: Bool) throws {
        try withServer(secure: secure, realTime: true) { server in
            let client = try await Uploader(server, secure: secure)
            client.http.socket.setOption(SOL_SOCKET, SO_SNDBUF, 16384)
            try await client.send(Self.head("/large", "Content-Length: 262144"))
            _ = await client.http.socket.waitReadable()
            try await client.send(Self.octets(262_144) + Self.head("/read", "Content-Length: 3") + "abc")
            var count = 0
            var end = ""
            while !end.hasSuffix("read 3"), case let piece = try await client.receive(), !piece.isEmpty {
                count += piece.utf8.count
                end = String(piece.suffix(6))
            }
            #expect(end == "read 3" && count > 30_000_000)
            client.http.close()
        }
    }

    @Test func anOldClientAndOneThatAsksForTheEndAreNotWaitedFor() throws {
        try withServer { server in
            for head in [
                "POST / HTTP/1.0\r\nContent-Length: 1000\r\n\r\n",
                Self.head("/", "Connection: close\r\nContent-Length: 1000"),
            ] {
                let client = try await Uploader(server)
                let began = EventLoop.current.now
                try await client.send(head + "x")
                let answer = try await client.receiveAll()
                #expect(answer.hasPrefix("HTTP/1.1 401 ") && answer.contains("Connection: close"))
                #expect(EventLoop.current.now == began)
                client.http.close()
            }
        }
    }

    @Test func aShutdownWaitsForTheRestAndForNothingMore() throws {
        try withServer { server in
            let client = try await Uploader(server)
            let (beginning, rest) = Self.upload("/refuse", chunked: false)
            try await client.send(beginning)
            _ = try await client.receive()
            server.beginGracefulShutdown()
            try await sleep(for: .seconds(5))
            try await client.send(rest)
            #expect(try await client.receiveAll() == "")
            client.http.close()
        }
    }

    /// It is not allowed to, but it must not be the end of the process.
    @Test func aTaskThatReadsOnAfterTheResponseFindsTheConnectionClosed() throws {
        try withServer { server in
            let client = try await Uploader(server)
            try await client.send(Self.head("/leave", "Content-Length: 1000") + "x")
            let answer = try await client.receive()
            #expect(answer.contains("Connection: close"))
            client.http.close()
        }
    }

    @Test func anUpgradeWaitsForTheRestOfItsRequest() throws {
        try runHTTPLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in
                .upgrade(to: "echo") { stream in try await stream.write(try await stream.read() ?? []) }
            }
            let serving = onLoop { try await server.run() }
            let client = try await Uploader(server)
            try await client.send(Self.head("/", "Connection: upgrade\r\nUpgrade: echo\r\nContent-Length: 1000") + "x")
            try await sleep(for: .seconds(1))
            try await client.send(Self.octets(999) + "hello")
            let answer = try await client.receiveAll()
            #expect(answer.hasPrefix("HTTP/1.1 101 ") && answer.hasSuffix("\r\n\r\nhello"))
            client.http.close()
            // A client that has not asked for the switch is told so at once.
            let plain = try await Uploader(server)
            let began = EventLoop.current.now
            try await plain.send(Self.head("/", "Content-Length: 1000") + "x")
            #expect(try await plain.receive().hasPrefix("HTTP/1.1 426 "))
            #expect(EventLoop.current.now == began)
            plain.http.close()
            server.beginGracefulShutdown()
            _ = try await serving.value
        }
    }
}
