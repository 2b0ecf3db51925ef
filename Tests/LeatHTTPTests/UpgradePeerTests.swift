import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// Upgrades over TLS, and to WebSocket with a peer that is not Leat. The frames are made by hand: one short text each, a
/// client's masked with zeros and ones (RFC 6455 §5.2).
@Suite(.timeLimit(.minutes(5)))
struct UpgradePeerTests {
    // RFC 6455 §1.3.
    private static let key = "dGhlIHNhbXBsZSBub25jZQ=="
    private static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    /// Reads exactly so many bytes.
    private static func read(_ count: Int, from stream: HTTPUpgradedStream) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count, let piece = try await stream.read(upTo: count - bytes.count) { bytes += piece }
        return bytes
    }

    private static let maskedHello: [UInt8] = [0x81, 0x85, 1, 0, 1, 0] + zip("hello".utf8, [1, 0, 1, 0, 1]).map(^)
    private static let plainHello: [UInt8] = [0x81, 5] + Array("hello".utf8)
    /// What a WebSocket server does with each frame: in Python.
    private static let echo = """
        def read(f, s):
            first, second = f.read(2)
            mask = f.read(4)
            payload = bytes(b ^ mask[i % 4] for i, b in enumerate(f.read(second & 127)))
            s.sendall(bytes([first, len(payload)]) + payload)
        """

    @Test(.enabled(if: PythonPeer.isAvailable, "python3 is not installed"), arguments: [false, true])
    func aWebSocketServerInPythonEchoesAFrame(atOnce: Bool) throws {
        try runHTTPLoop(realTime: true) {
            let peer = PythonPeer(
                """
                \(Self.echo)
                s = listener.accept()[0]
                f = s.makefile("rb")
                assert f.readline() == b"GET /chat HTTP/1.1\\r\\n"
                fields = {}
                while (line := f.readline()) != b"\\r\\n":
                    name, value = line.decode().strip().split(": ", 1)
                    fields[name.lower()] = value
                assert fields["upgrade"] == "websocket" and fields["connection"] == "Upgrade"
                guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                accept = base64.b64encode(hashlib.sha1(fields["sec-websocket-key"].encode() + guid).digest())
                head = b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: WebSocket\\r\\nConnection: upgrade\\r\\nSec-WebSocket-Accept: " + accept + b"\\r\\n\\r\\n"
                if \(atOnce ? "True" : "False"): s.sendall(head + bytes([0x81, 2]) + b"hi")
                else:
                    s.sendall(head)
                    s.sendall(bytes([0x81, 2]) + b"hi")
                read(f, s)
                read(f, s)
                assert f.read() == b""
                """
            )
            let request = HTTPClientRequest(
                .get,
                HTTPURL("http://127.0.0.1:\(peer.port)/chat")!,
                headerFields: [.secWebSocketKey: Self.key, .secWebSocketVersion: "13"]
            )
            try await HTTPClient().upgrade(request, to: "websocket") { response, stream in
                #expect(response.headerFields[.secWebSocketAccept] == Self.accept)
                #expect(try await Self.read(4, from: stream) == [0x81, 2] + Array("hi".utf8))
                try await stream.write(Self.maskedHello)
                #expect(try await Self.read(7, from: stream) == Self.plainHello)
                // A close frame, and its echo.
                try await stream.write([0x88, 0x80, 0, 0, 0, 0])
                try await stream.finishWriting()
                #expect(try await Self.read(3, from: stream) == [0x88, 0])
            }
        }
    }

    @Test(.enabled(if: PythonPeer.isAvailable, "python3 is not installed"))
    func aWebSocketClientInPythonIsAnswered() throws {
        try runHTTPLoop(realTime: true) {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, _ in
                #expect(request.headerFields[.secWebSocketKey] == Self.key)
                return .upgrade(to: "websocket", headerFields: [.secWebSocketAccept: Self.accept]) { stream in
                    while case let head = try await Self.read(6, from: stream), head.count == 6 {
                        let payload = try await Self.read(Int(head[1] & 0x7F), from: stream)
                        let plain = payload.enumerated().map { $1 ^ head[2 + $0 % 4] }
                        try await stream.write([head[0], UInt8(payload.count)] + plain)
                    }
                }
            }
            onLoop { try await server.run() }
            let program = """
                import socket
                s = socket.create_connection(("127.0.0.1", \(server.localAddress.port)))
                # The first frame comes right behind the request.
                s.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n"
                    b"Sec-WebSocket-Key: \(Self.key)\\r\\n\\r\\n" + bytes(\(Self.maskedHello)))
                f = s.makefile("rb")
                while (line := f.readline()) != b"\\r\\n": print(line.decode().strip())
                print(f.read(7))
                s.sendall(bytes(\(Self.maskedHello)))
                print(f.read(7))
                s.shutdown(1)
                print(f.read())
                """
            let output = try await EventLoop.current.offload { commandOutput("python3 - <<'X'\n\(program)\nX") }
            let frame = #"b'\x81\x05hello'"#
            #expect(
                output == """
                    HTTP/1.1 101 Switching Protocols
                    Sec-WebSocket-Accept: \(Self.accept)
                    Upgrade: websocket
                    Connection: Upgrade
                    \(frame)
                    \(frame)
                    b''

                    """
            )
        }
    }

    // MARK: TLS

    private func client() -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.tls = TLSFixtures.shared.client
        return HTTPClient(configuration: configuration)
    }

    @Test(.enabled(if: TLSFixtures.isAvailable, "the openssl command is not installed"))
    func bothDirectionsFlowAtOnceOverTLS() throws {
        try runHTTPLoop(realTime: true) {
            var configuration = HTTPServer.Configuration()
            configuration.tls = TLSFixtures.shared.server()
            let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { _, _ in
                .upgrade(to: "echo") { stream in
                    try await stream.write("first")
                    while let bytes = try await stream.read() { try await stream.write(bytes) }
                }
            }
            let run = onLoop { try await server.run() }
            let authority = "127.0.0.1:\(server.localAddress.port)"
            let request = HTTPClientRequest(.get, HTTPURL("https://\(authority)/")!)
            let size = 8 << 20
            let client = client()
            let counts = try await (0..<2).concurrentMap(limit: 2) { _ in
                try await client.upgrade(request, to: "echo") { _, stream in
                    #expect(try await Self.read(5, from: stream) == Array("first".utf8))
                    return try await stream.sendAndReadBack(size)
                }
            }
            #expect(counts == [size, size])
            server.beginGracefulShutdown()
            #expect(try await run.value == 0)
        }
    }

    @Test(.enabled(if: TLSFixtures.isAvailable && PythonPeer.isAvailable, "openssl or python3 is not installed"))
    func anEndThatIsNotAnnouncedIsAnErrorOverTLS() throws {
        try runHTTPLoop(realTime: true) {
            let peer = PythonPeer(
                """
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain("\(TLSFixtures.shared.path("good.pem"))", "\(TLSFixtures.shared.path("good.key"))")
                for announced in (True, False):
                    s = context.wrap_socket(listener.accept()[0], server_side=True)
                    request = b""
                    while not request.endswith(b"\\r\\n\\r\\n"): request += s.recv(1000)
                    s.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: echo\\r\\nConnection: Upgrade\\r\\n\\r\\nbye")
                    try: s = s.unwrap() if announced else s
                    except OSError: pass
                    s.close()
                """
            )
            let request = HTTPClientRequest(.get, HTTPURL("https://127.0.0.1:\(peer.port)/")!)
            let client = client()
            for announced in [true, false] {
                try await client.upgrade(request, to: "echo") { _, stream in
                    #expect(try await Self.read(3, from: stream) == Array("bye".utf8))
                    do {
                        let end = try await stream.read()
                        #expect(announced && end == nil)
                    } catch let error as HTTPError {
                        #expect(!announced && error.kind == .incomplete)
                    }
                }
            }
        }
    }
}
