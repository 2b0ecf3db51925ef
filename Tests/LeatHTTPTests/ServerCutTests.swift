import Glibc
import Leat
import LeatLoop
import LeatReactor
import Testing

@testable import LeatHTTP
@testable import LeatNet

/// Output that a client does not take, and responses that are cut: nothing waits for ever, and nothing looks whole that is not.
@Suite(.timeLimit(.minutes(5)))
struct ServerCutTests {
    /// The client has blocked the server, and asks for one thing more, whose answer is streamed. It takes nothing afterwards.
    @Test func aBlockedClientIsCutOffThoughItAsksForAStream() throws {
        var configuration = HTTPServer.Configuration()
        configuration.writeTimeout = .seconds(10)
        let piece = [UInt8](repeating: 0x61, count: 16000)
        let blocked = Shared<ServerPeer?>(nil)
        try runBoundedLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) {
                request,
                _,
                context in
                blocked.value = Mirror(reflecting: context).descendant("peer") as? ServerPeer
                guard request.path == "/stream" else { return HTTPServerResponse(body: .bytes(piece)) }
                return HTTPServerResponse(body: .stream { writer in try await writer.write("one") })
            }
            let run = ServerRun(server)
            let client = try Plain(to: server, receiveBuffer: 4096)
            var isBlocked = false
            for _ in 0..<1000 where !isBlocked {
                client.send(RawClient.get("/piece"))
                await turns(2)
                isBlocked = blocked.value?.exchange?.takeUnretainedValue().isBlocked == true
            }
            #expect(isBlocked)
            client.send(RawClient.get("/stream"))
            await turns(5)
            try await sleep(for: .seconds(30))
            #expect(server.connectionCount == 0, "30 seconds after the client has taken the last byte")
            blocked.value = nil
            client.close()
            run.cancel()
            _ = try? await run.result()
        }
    }

    /// Of a body that ends with its connection, only a reset says that this is not its end.
    @Test func aResponseThatIsCutByTheShutdownDoesNotLookWhole() throws {
        var configuration = HTTPServer.Configuration()
        configuration.shutdownTimeout = .seconds(5)
        try runBoundedLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { _, _ in
                HTTPServerResponse(
                    body: .stream { writer in
                        try await writer.write("half of it")
                        try await sleep(for: .seconds(1000))
                        try await writer.write(", and the rest")
                    }
                )
            }
            let run = ServerRun(server)
            let client = try Plain(to: server)
            client.send("GET / HTTP/1.0\r\n\r\n")
            await turns(5)
            server.beginGracefulShutdown()
            _ = try await run.result()
            #expect(String(decoding: client.drain(), as: UTF8.self).hasSuffix("half of it"))
            #expect(client.failure == ECONNRESET, "the client reads an end, as if this were all")
            client.close()
        }
    }

    /// A signal handler, for example, may call it at any time.
    @Test func aShutdownThatBeginsAfterTheLoopHasEndedKeepsNothingAlive() throws {
        let before = descriptors()
        for _ in 0..<20 {
            let box = Shared<HTTPServer?>(nil)
            try runHTTPLoop {
                box.value = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in HTTPServerResponse() }
            }
            box.value?.beginGracefulShutdown()
            box.value = nil
        }
        // Other tests run at the same time.
        #expect(descriptors() < before + 40, "each has left a loop and a listener")
    }

    /// A request of which a part is sent is flushed on in this turn: that is no reason to take it for one that is not.
    @Test func aRequestThatIsPartlySentCannotBeTakenBack() throws {
        try runBoundedLoop {
            var pair: [Int32] = [0, 0]
            #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0, &pair) == 0)
            let socket = try Socket(descriptor: pair[0], loop: .current, isReady: true)
            let connection = HTTPConnection(socket: socket, role: .response, limits: HTTPLimits())
            connection.output.append([UInt8](repeating: 0x61, count: 2 << 20))
            connection.flushLater()
            await turns(3)
            #expect(connection.isBlocked && connection.bytesSent > 0)
            var buffer = [UInt8](repeating: 0, count: 4 << 20)
            var isTakenBack = false
            for _ in 0..<20 where !isTakenBack && !connection.output.isEmpty {
                while recv(pair[1], &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0 {}
                await turns(1)
                isTakenBack = connection.takeBackOutput()
            }
            #expect(!isTakenBack, "\(connection.bytesSent) bytes of it are sent")
            connection.close()
            close(pair[1])
        }
    }
}

/// The same over TLS.
@Suite(.timeLimit(.minutes(5)), .enabled(if: TLSFixtures.isAvailable, "the openssl command is not installed"))
struct ServerCutTLSTests {
    private let files = TLSFixtures.shared

    private static func connect(
        to server: HTTPServer,
        _ files: TLSFixtures
    ) async throws -> (Socket, TLSChannel) {
        let socket = try Socket.make(family: AF_INET, loop: .current)
        _ = server.localAddress.withSockaddr { SystemCalls.connect(socket.descriptor, $0, $1) }
        _ = await socket.waitWritable()
        let context = try TLSContext(files.client, role: .client)
        return (socket, try TLSChannel(context, socket: socket, serverName: "127.0.0.1"))
    }

    private static func send(_ text: String, _ channel: TLSChannel) {
        let bytes = Array(text.utf8)
        #expect(bytes.withUnsafeBytes { channel.trySend($0) } == bytes.count)
    }

    /// All that comes, and how it ends: 0 is an end that the server has announced.
    private static func readToEnd(_ socket: Socket, _ channel: TLSChannel) async -> ([UInt8], Int) {
        var all: [UInt8] = []
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 1)
        defer { room.deallocate() }
        while true {
            let result = channel.tryReceive(into: room)
            if result > 0 {
                all += room[..<result]
            } else if result == -Int(EAGAIN) {
                guard await socket.waitReadable(until: EventLoop.current.now.advanced(by: .seconds(100))) == .ready
                else {
                    return (all, result)
                }
            } else {
                return (all, result)
            }
        }
    }

    @Test func aCutResponseIsNotSaidFarewellTo() throws {
        struct Cut: Error {}
        var configuration = HTTPServer.Configuration()
        configuration.tls = files.server()
        configuration.onError = { _, _ in }
        try withHTTPServer(
            configuration,
            handler: { _, _ in
                HTTPServerResponse(
                    body: .stream { writer in
                        try await writer.write("half of it")
                        try await writer.flush()
                        throw Cut()
                    }
                )
            }
        ) { [files] server in
            let (socket, channel) = try await Self.connect(to: server, files)
            try await channel.handshake(until: .distantFuture)
            Self.send("GET / HTTP/1.0\r\n\r\n", channel)
            let (bytes, end) = await Self.readToEnd(socket, channel)
            #expect(String(decoding: bytes, as: UTF8.self).hasSuffix("half of it"))
            #expect(end < 0, "the client is told that this is all")
            socket.close()
        }
    }

    /// The handshake was going on when the shutdown began. The client has nothing to ask.
    @Test func aClientThatHasJustShakenHandsDoesNotHoldUpTheShutdown() throws {
        var configuration = HTTPServer.Configuration()
        configuration.tls = files.server()
        configuration.shutdownGrace = .seconds(1)
        configuration.headTimeout = .seconds(20)
        configuration.shutdownTimeout = .seconds(60)
        try runBoundedLoop { [configuration, files] in
            let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { _, _ in
                HTTPServerResponse(body: .text("ok"))
            }
            let run = ServerRun(server)
            let (socket, channel) = try await Self.connect(to: server, files)
            while server.connectionCount == 0 { await turns(1) }
            let began = EventLoop.current.clock.now
            server.beginGracefulShutdown()
            await turns(3)
            try await channel.handshake(until: .distantFuture)
            _ = try await run.result()
            #expect(began.duration(to: run.end!) < .seconds(3))
            socket.close()
        }
    }

    /// A byte of its handshake arrives in the very turn in which its time is over.
    @Test func aHandshakeThatTimesOutWhileItGoesOnIsNotForgotten() throws {
        var loop = EventLoop.Configuration()
        let clock = ManualClock()
        loop.clock = .manual(clock)
        var configuration = HTTPServer.Configuration()
        configuration.tls = files.server()
        configuration.headTimeout = .seconds(10)
        try EventLoop.run(configuration: loop) { [configuration] in
            let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { _, _ in
                HTTPServerResponse()
            }
            let run = ServerRun(server)
            let client = try Plain(to: server)
            // The head of a record that is to hold a ClientHello.
            client.send("\u{16}\u{3}")
            await turns(5)
            #expect(server.connectionCount == 1)
            clock.advance(by: .seconds(11))
            client.send("\u{1}")
            await turns(5)
            for _ in 0..<10 {
                clock.advance(by: .seconds(100))
                await turns(5)
            }
            #expect(server.connectionCount == 0, "no deadline is left for it")
            client.close()
            run.cancel()
            await turns(20)
        }
    }
}
