import Glibc
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@Suite(.timeLimit(.minutes(5)), .enabled(if: TLSFixtures.isAvailable, "the openssl command is not installed"))
struct TLSTests {
    private func client(_ configure: (inout HTTPClient.Configuration) -> Void = { _ in }) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.tls = TLSFixtures.shared.client
        configure(&configuration)
        return HTTPClient(configuration: configuration)
    }

    private func server(
        _ certificate: String = "good",
        _ configure: (inout HTTPServer.Configuration) -> Void = { _ in },
        _ handler: HTTPServer.Handler? = nil
    ) throws -> HTTPServer {
        var configuration = HTTPServer.Configuration()
        configuration.tls = TLSFixtures.shared.server(certificate)
        configure(&configuration)
        let server = try HTTPServer.bind(
            to: .loopback(port: 0),
            configuration: configuration,
            handler: handler ?? { request, body in
                var count = 0
                for try await piece in body { count += piece.count }
                return HTTPServerResponse(body: .text("\(request.path!) \(count)"))
            }
        )
        onLoop { try await server.run() }
        return server
    }

    private func url(_ server: HTTPServer, host: String = "127.0.0.1", _ path: String = "/x") -> HTTPURL {
        HTTPURL("https://\(host):\(server.localAddress.port)\(path)")!
    }

    private func failure(of body: () async throws -> Void) async -> TLSError.Kind? {
        do {
            try await body()
            return nil
        } catch {
            return ((error as? HTTPError)?.underlying as? TLSError)?.kind
        }
    }

    /// Waits until somebody listens at a port.
    private func waitForListener(_ port: UInt16) async throws {
        for _ in 0..<200 {
            if let stream = try? await TCPStream.connect(to: .loopback(port: port)) { return stream.close() }
            try await sleep(for: .milliseconds(20))
        }
    }

    private func freePort() throws -> UInt16 {
        let listener = try TCPListener.bind(to: .loopback(port: 0))
        defer { listener.close() }
        return listener.localAddress.port
    }

    // MARK: Speaking

    @Test func requestsAndResponsesPassUnharmed() throws {
        try runHTTPLoop {
            let server = try server()
            let client = client()
            #expect(try await client.get(url(server)).text == "/x 0")
            #expect(try await client.get(url(server, host: "localhost")).text == "/x 0")
            // Larger than any buffer on the way, in both directions.
            let large = HTTPBody.bytes([UInt8](repeating: 0x61, count: 20 << 20))
            #expect(try await client.post(url(server), body: large).text == "/x \(20 << 20)")
            let many = try await (0..<200).concurrentMap(limit: 50) { number in
                try await client.get(url(server, "/\(number)")).text
            }
            #expect(many == (0..<200).map { "/\($0) 0" })
            await client.shutdown()
        }
    }

    @Test func aLargeStreamedResponseArrivesWhole() throws {
        try runHTTPLoop {
            let server = try server("good", { _ in }) { _, _ in
                HTTPServerResponse(
                    body: .stream { writer in
                        for number in 0..<256 {
                            try await writer.write([UInt8](repeating: UInt8(number), count: 65536))
                        }
                    }
                )
            }
            let client = client()
            let request = HTTPClientRequest(.get, url(server))
            let sums = try await client.perform(request) { _, body in
                var counts = [Int](repeating: 0, count: 256)
                for try await piece in body { for byte in piece { counts[Int(byte)] += 1 } }
                return counts
            }
            #expect(sums == [Int](repeating: 65536, count: 256))
        }
    }

    @Test func connectionsAreKeptAndSessionsResumed() throws {
        try runHTTPLoop {
            let server = try server()
            let context = try TLSContext(
                TLSFixtures.shared.client,
                role: .client
            )
            var resumed: [Bool] = []
            for _ in 0..<3 {
                let socket = try await Socket.connect(to: server.localAddress, loop: .current)
                let channel = try TLSChannel(context, socket: socket, serverName: "localhost", port: 1)
                try await channel.handshake(until: .distantFuture)
                #expect(channel.version == "TLSv1.3" && channel.applicationProtocol == "http/1.1")
                resumed.append(channel.wasResumed)
                let http = HTTPConnection(socket: socket, tls: channel, role: .response, limits: HTTPLimits())
                http.output.append("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                try await http.flush(timeout: .max)
                // The ticket comes with the first data.
                _ = try await http.fill()
                http.close()
            }
            #expect(resumed == [false, true, true])
        }
    }

    /// Many servers end without a farewell.
    @Test func aSessionIsResumedAfterAnAbruptEnd() throws {
        try runHTTPLoop(realTime: true) {
            let files = TLSFixtures.shared
            let port = try freePort()
            let peer = PeerProcess(
                """
                openssl s_server -accept 127.0.0.1:\(port) -cert \(files.path("good.pem")) -key \(files.path("good.key")) \
                -tls1_2 -quiet >/dev/null 2>&1 </dev/null
                """
            )
            defer { withExtendedLifetime(peer) {} }
            try await waitForListener(port)
            let context = try TLSContext(TLSFixtures.shared.client, role: .client)
            var resumed: [Bool] = []
            for _ in 0..<2 {
                let socket = try await Socket.connect(to: .loopback(port: port), loop: .current)
                let channel = try TLSChannel(context, socket: socket, serverName: "localhost", port: port)
                try await channel.handshake(until: .distantFuture)
                resumed.append(channel.wasResumed)
                socket.close()
            }
            #expect(resumed == [false, true])
        }
    }

    /// The server's side of the next connection, for what an `HTTPServer` does not do.
    private static func accept(from listener: TCPListener, _ context: TLSContext) async throws -> HTTPConnection {
        let socket = try await listener.acceptSocket()
        let channel = try TLSChannel(context, socket: socket)
        try await channel.handshake(until: .distantFuture)
        return HTTPConnection(socket: socket, tls: channel, role: .request, limits: HTTPLimits())
    }

    /// The server has closed a kept connection, and has not said so.
    @Test func aConnectionThatEndedWithoutAFarewellIsReplaced() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let context = try TLSContext(TLSFixtures.shared.server(), role: .server)
            onLoop {
                for _ in 0..<2 {
                    let http = try await Self.accept(from: listener, context)
                    _ = try await http.fill()
                    http.discardUnparsed()
                    http.output.append(ok)
                    try await http.flush(timeout: .max)
                    // Reads the next request, and goes.
                    _ = try await http.fill()
                    http.socket.close()
                }
            }
            let client = client()
            let url = HTTPURL("https://localhost:\(listener.localAddress.port)/")!
            #expect(try await client.get(url).text == "ok")
            #expect(try await client.get(url).text == "ok")
            #expect(client.metrics.repeats == 1)
            await client.shutdown()
        }
    }

    // MARK: Refusing

    @Test(arguments: [
        ("self", "localhost", "untrusted"), ("other", "localhost", "wrong host"), ("other", "127.0.0.1", "wrong host"),
        ("expired", "localhost", "expired"), ("common", "localhost", "wrong host"),
    ])
    func aCertificateThatIsNotRightIsRefused(certificate: String, host: String, expected: String) throws {
        try runHTTPLoop {
            let server = try server(certificate)
            let client = client()
            let kind = await failure { _ = try await client.get(url(server, host: host)) }
            let kinds: [String: TLSError.Kind] = [
                "untrusted": .untrusted, "wrong host": .wrongHost, "expired": .expired,
            ]
            #expect(kind == kinds[expected])
            await client.shutdown()
            server.beginGracefulShutdown()
        }
    }

    @Test func theSystemDoesNotTrustWhatItDoesNotKnow() throws {
        try runHTTPLoop {
            let server = try server()
            let client = client { $0.tls.trustRoots = .system }
            #expect(await failure { _ = try await client.get(url(server)) } == .untrusted)
            let trusting = self.client { $0.tls.verification = .disabledForTestingOnly }
            #expect(try await trusting.get(url(server)).text == "/x 0")
        }
    }

    @Test func anOldVersionIsRefused() throws {
        try runHTTPLoop(realTime: true) {
            let files = TLSFixtures.shared
            let port = try freePort()
            let peer = PeerProcess(
                """
                openssl s_server -accept 127.0.0.1:\(port) -cert \(files.path("good.pem")) -key \(files.path("good.key")) \
                -tls1_1 -cipher ALL:@SECLEVEL=0 -www -quiet >/dev/null 2>&1
                """
            )
            defer { withExtendedLifetime(peer) {} }
            try await waitForListener(port)
            let client = client()
            #expect(await failure { _ = try await client.get(HTTPURL("https://localhost:\(port)/")!) } == .handshake)
        }
    }

    @Test func whatIsNotTLSIsRefusedAndWhatIsNotHTTPSToo() throws {
        try runHTTPLoop {
            let plain = try ScriptedServer([[ok]])
            let client = client()
            let url = HTTPURL("https://127.0.0.1:\(plain.listener.localAddress.port)/")!
            let hasty = try TCPListener.bind(to: .loopback(port: 0))
            onLoop {
                let stream = try await hasty.accept()
                try await stream.write("HTTP/1.1 400 no TLS here\r\n\r\n")
            }
            #expect(
                await failure { _ = try await client.get(HTTPURL("https://\(hasty.localAddress)/")!) } == .handshake
            )
            _ = url
            let server = try server()
            let http = HTTPURL("http://\(server.localAddress)/")!
            await #expect(throws: HTTPError.self) { _ = try await client.get(http) }
        }
    }

    @Test func aClientCertificateIsDemandedAndChecked() throws {
        try runHTTPLoop {
            let files = TLSFixtures.shared
            let server = try server(
                "good",
                {
                    $0.tls!.requiresClientCertificate = true
                    $0.tls!.trustRoots = .file(files.path("ca.pem"))
                }
            )
            let known = client {
                $0.tls.certificateChainFile = files.path("client.pem")
                $0.tls.privateKeyFile = files.path("client.key")
            }
            #expect(try await known.get(url(server)).status == .ok)
            let unknown = client()
            // With TLS 1.3 the refusal comes after the client's side of the handshake.
            await #expect(throws: HTTPError.self) { _ = try await unknown.get(url(server)) }
        }
    }

    @Test func filesThatCannotBeUsedAreErrorsThatNameThem() throws {
        let files = TLSFixtures.shared
        func message(_ change: (inout TLSConfiguration) -> Void, _ role: TLSContext.Role) -> String {
            var configuration = TLSConfiguration()
            change(&configuration)
            do throws(TLSError) {
                _ = try TLSContext(configuration, role: role)
                return ""
            } catch {
                return error.kind == .configuration ? error.message : "\(error)"
            }
        }
        #expect(message({ $0.trustRoots = .file("/nowhere.pem") }, .client).contains("/nowhere.pem"))
        #expect(message({ _ in }, .server).contains("certificate"))
        let mixed = message(
            {
                $0.certificateChainFile = files.path("good.pem")
                $0.privateKeyFile = files.path("other.key")
            },
            .server
        )
        #expect(mixed.contains("other.key"))
        // Nobody is there to type the passphrase.
        let locked = message(
            {
                $0.certificateChainFile = files.path("good.pem")
                $0.privateKeyFile = files.path("locked.key")
            },
            .server
        )
        #expect(locked.contains("locked.key"))
    }

    /// OpenSSL takes `.below.test` for any host below it.
    @Test(arguments: ["", ".", ".below.test", "a..b", "two words", "münchen.test", "*.below.test"])
    func whatIsNoHostNameIsRefusedBeforeAnythingIsSent(_ name: String) throws {
        try runHTTPLoop {
            let context = try TLSContext(TLSConfiguration(), role: .client)
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let socket = try await Socket.connect(to: listener.localAddress, loop: .current)
            let error = #expect(throws: TLSError.self) { try TLSChannel(context, socket: socket, serverName: name) }
            #expect(error?.kind == .configuration)
            socket.close()
        }
    }

    @Test func aNameMayEndWithADot() throws {
        try runHTTPLoop {
            let server = try server()
            let context = try TLSContext(TLSFixtures.shared.client, role: .client)
            let socket = try await Socket.connect(to: server.localAddress, loop: .current)
            let channel = try TLSChannel(context, socket: socket, serverName: "localhost.")
            try await channel.handshake(until: .distantFuture)
            socket.close()
        }
    }

    @Test func withoutACommonProtocolThereIsNoConnection() throws {
        try runHTTPLoop(realTime: true) {
            let server = try server()
            let port = server.localAddress.port
            let log = TLSFixtures.shared.path("alpn-\(port)")
            let peer = PeerProcess("openssl s_client -connect 127.0.0.1:\(port) -alpn h2 >\(log) 2>&1 </dev/null")
            defer { withExtendedLifetime(peer) {} }
            for _ in 0..<200 where !text(of: log).contains("alert") { try await sleep(for: .milliseconds(20)) }
            #expect(text(of: log).contains("no application protocol"))
        }
    }

    private func text(of path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65536)
        return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
    }

    // MARK: Endings

    /// A body that ends with the connection is whole only if the peer has said farewell.
    @Test(arguments: [true, false])
    func aBodyThatIsCutOffIsNotTakenForAWholeOne(saysFarewell: Bool) throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let context = try TLSContext(TLSFixtures.shared.server(), role: .server)
            onLoop {
                let http = try await Self.accept(from: listener, context)
                _ = try await http.fill()
                http.output.append("HTTP/1.1 200 OK\r\n\r\nsome of the body")
                try await http.flush(timeout: .max)
                if saysFarewell { http.close() } else { http.socket.close() }
            }
            let client = client()
            let url = HTTPURL("https://localhost:\(listener.localAddress.port)/")!
            if saysFarewell {
                #expect(try await client.get(url).text == "some of the body")
            } else {
                let error = await #expect(throws: HTTPError.self) { _ = try await client.get(url) }
                #expect(error?.kind == .incomplete)
                #expect((error?.underlying as? TLSError)?.kind == .truncated)
            }
        }
    }

    @Test func aHandshakeThatStallsTimesOutAndOneThatIsCancelledLeavesNothing() throws {
        try runHTTPLoop {
            let silent = try TCPListener.bind(to: .loopback(port: 0))
            let client = client { $0.tlsTimeout = .seconds(3) }
            let url = HTTPURL("https://\(silent.localAddress)/")!
            let error = await #expect(throws: HTTPError.self) { _ = try await client.get(url) }
            #expect(error?.phase == .tls && error!.elapsed! < .seconds(4))
            let task = onLoop { _ = try await client.get(url) }
            try await sleep(for: .seconds(1))
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            silent.close()
            let statistics = EventLoop.current.statistics
            #expect(statistics.descriptors == 0 && statistics.timers == 0 && statistics.waits == 0)
        }
    }

    /// Every byte of the exchange by itself.
    @Test func aHandshakeThatDribblesInWorks() throws {
        try runHTTPLoop {
            let server = try server()
            let relay = try TCPListener.bind(to: .loopback(port: 0))
            onLoop {
                let near = try await relay.accept()
                let far = try await TCPStream.connect(to: server.localAddress)
                for (from, to) in [(near, far), (far, near)] {
                    onLoop {
                        while let bytes = try await from.read() {
                            for byte in bytes {
                                try await to.write([byte])
                                await Task.yield()
                            }
                        }
                        to.close()
                    }
                }
            }
            let client = client()
            let url = HTTPURL("https://localhost:\(relay.localAddress.port)/dribble")!
            #expect(try await client.get(url).text == "/dribble 0")
            await client.shutdown()
        }
    }

    // MARK: Others

    @Test func nginxIsUnderstood() throws {
        guard access("/usr/sbin/nginx", X_OK) == 0 else { return }
        try runHTTPLoop(realTime: true) {
            let files = TLSFixtures.shared
            let port = try freePort()
            let root = files.path("nginx-\(port)")
            mkdir(root, 0o755)
            let configuration = """
                daemon off; master_process off; pid \(root)/pid; error_log \(root)/log crit; events {}
                http { access_log off; client_body_temp_path \(root)/a; proxy_temp_path \(root)/b;
                fastcgi_temp_path \(root)/c; uwsgi_temp_path \(root)/d; scgi_temp_path \(root)/e;
                server { listen 127.0.0.1:\(port) ssl; ssl_certificate \(files.path("good.pem"));
                ssl_certificate_key \(files.path("good.key")); location / { return 200 "from nginx\\n"; } } }
                """
            let file = fopen("\(root)/conf", "w")!
            fputs(configuration, file)
            fclose(file)
            let peer = PeerProcess("nginx -p \(root) -c \(root)/conf 2>/dev/null")
            defer { withExtendedLifetime(peer) {} }
            try await waitForListener(port)
            let client = client()
            let url = HTTPURL("https://localhost:\(port)/")!
            let texts = try await (0..<50).concurrentMap(limit: 10) { _ in try await client.get(url).text }
            #expect(texts == [String](repeating: "from nginx\n", count: 50))
            await client.shutdown()
        }
    }
}
