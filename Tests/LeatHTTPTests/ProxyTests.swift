import Glibc
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// `Basic` for `ada:x y`.
private let credentials = "Proxy-Authorization: Basic YWRhOnggeQ==\r\n"

private func proxy(at address: SocketAddress) -> HTTPProxy {
    HTTPProxy(stringLiteral: "http://ada:x%20y@\(address)")
}

private func client(
    _ proxy: HTTPProxyConfiguration,
    _ configure: (inout HTTPClient.Configuration) -> Void = { _ in }
) -> HTTPClient {
    var configuration = HTTPClient.Configuration()
    configuration.proxy = proxy
    configuration.userAgent = nil
    configuration.decompresses = false
    configuration.tls = TLSFixtures.shared.client
    configure(&configuration)
    return HTTPClient(configuration: configuration)
}

@Suite(.timeLimit(.minutes(5)))
struct ProxyTests {
    // MARK: http

    @Test func aProxyIsToldTheWholeURL() throws {
        try runHTTPLoop {
            let scripted = try ScriptedServer([[ok, ok, ok]])
            let client = client(.via(proxy(at: scripted.listener.localAddress)))
            let plain = try await client.get("http://example.test/a?b")
            #expect(plain.text == "ok" && plain.url == "http://example.test/a?b")
            _ = try await client.get("http://example.test/", headerFields: [.accept: "x"])
            _ = try await client.post("http://example.test/c", body: .text("hi"))
            let common = "Host: example.test\r\n"
            #expect(
                scripted.requests == [
                    [
                        "GET http://example.test/a?b HTTP/1.1\r\n\(common)Accept: */*\r\n\(credentials)\r\n",
                        "GET http://example.test/ HTTP/1.1\r\n\(common)Accept: x\r\n\(credentials)\r\n",
                        "POST http://example.test/c HTTP/1.1\r\n\(common)Accept: */*\r\n\(credentials)"
                            + "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nhi",
                    ]
                ]
            )
        }
    }

    @Test func aHostThatIsExceptedIsReachedDirectlyAndToldNothing() throws {
        try runHTTPLoop {
            let origin = try ScriptedServer([[ok]])
            let never = try ScriptedServer([])
            let client = client(.via(proxy(at: never.listener.localAddress), except: "127.0.0.0/8"))
            let text = try await client.get(origin.url, headerFields: [.proxyAuthorization: "Basic eA=="]).text
            #expect(text == "ok")
            #expect(origin.requests[0][0].hasPrefix("GET /path HTTP/1.1\r\n"))
            #expect(!origin.requests[0][0].contains("Proxy-Authorization"))
            #expect(never.requests.isEmpty)
        }
    }

    @Test func aRequestsOwnCredentialsGoBeforeTheProxys() throws {
        try runHTTPLoop {
            let scripted = try ScriptedServer([[ok]])
            let client = client(.via(proxy(at: scripted.listener.localAddress)))
            _ = try await client.get("http://example.test/", headerFields: [.proxyAuthorization: "Bearer x"])
            #expect(scripted.requests[0][0].contains("Proxy-Authorization: Bearer x\r\n"))
            #expect(!scripted.requests[0][0].contains("Basic"))
        }
    }

    /// The proxy's credentials stay with the proxy, wherever a redirect leads.
    @Test func aRedirectFindsItsOwnRoute() throws {
        try runHTTPLoop {
            let origin = try ScriptedServer([[ok]])
            let there = "HTTP/1.1 302 Found\r\nLocation: http://other.test/x\r\nContent-Length: 0\r\n\r\n"
            let out = "HTTP/1.1 302 Found\r\nLocation: \(origin.url)\r\nContent-Length: 0\r\n\r\n"
            let scripted = try ScriptedServer([[there], [out]])
            let client = client(.via(proxy(at: scripted.listener.localAddress), except: "127.0.0.1"))
            let response = try await client.get("http://example.test/")
            #expect(response.text == "ok" && response.history.count == 2)
            let heads = scripted.requests.flatMap { $0 }
            #expect(heads[0].hasPrefix("GET http://example.test/ HTTP/1.1\r\nHost: example.test\r\n"))
            #expect(heads[1].hasPrefix("GET http://other.test/x HTTP/1.1\r\nHost: other.test\r\n"))
            #expect(heads.allSatisfy { $0.contains(credentials) })
            #expect(origin.requests[0][0].hasPrefix("GET /path HTTP/1.1\r\n"))
            #expect(!origin.requests[0][0].contains("Proxy-"))
        }
    }

    @Test func withoutAProxyNothingIsTakenAway() throws {
        try runHTTPLoop {
            let origin = try ScriptedServer([[ok]])
            _ = try await client(.none).get(origin.url, headerFields: [.proxyAuthorization: "Basic eA=="])
            #expect(origin.requests[0][0].contains("Proxy-Authorization: Basic eA==\r\n"))
        }
    }

    @Test func aProxyThatIsNotThereIsNamed() throws {
        try runHTTPLoop {
            let dead = try TCPListener.bind(to: .loopback(port: 0))
            dead.close()
            let client = client(.via(proxy(at: dead.localAddress)))
            for url: HTTPURL in ["http://example.test/", "https://example.test/"] {
                let error = await #expect(throws: HTTPError.self) { _ = try await client.get(url) }
                #expect(error?.kind == .connect)
                #expect(error?.message.hasPrefix("the proxy \(dead.localAddress): connect to ") == true)
            }
            #expect(EventLoop.current.statistics.descriptors == 0)
        }
    }

    // MARK: CONNECT

    private func refusal(_ answer: String?, _ proxy: (ScriptedProxy) -> HTTPProxy = { $0.proxy }) async throws -> (
        error: HTTPError?, requests: [String]
    ) {
        let scripted = try ScriptedProxy([answer], to: .loopback(port: 1))
        let client = client(.via(proxy(scripted))) { $0.connectTimeout = .seconds(3) }
        let error = await #expect(throws: HTTPError.self) { _ = try await client.get("https://origin.test/secret") }
        return (error, scripted.requests)
    }

    @Test func aRefusedTunnelIsAnErrorWithItsStatus() throws {
        try runHTTPLoop {
            let (error, requests) = try await refusal("HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nforbidden")
            #expect(requests == ["CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n"])
            #expect(error?.kind == .proxy && error?.proxyStatus?.code == 403)
            #expect(
                error?.message.hasSuffix("made no connection to origin.test:443: it answered with status 403") == true
            )
        }
    }

    @Test func aProxyThatWantsToKnowWhoAsksSaysWhatToDo() throws {
        try runHTTPLoop {
            let answer = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
            let (without, _) = try await refusal(answer)
            #expect(
                without?.message.contains("give it a user name and a password, as in http://user:password@") == true
            )
            let (with, requests) = try await refusal(answer) { proxy(at: $0.listener.localAddress) }
            #expect(requests[0].contains(credentials))
            #expect(with?.message.hasSuffix("status 407; it does not accept these credentials") == true)
        }
    }

    @Test(arguments: [
        // What follows the head would be taken for the origin's.
        ("\(established)X", "proxy"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "proxy"),
        ("", "proxy"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "proxy"),
        ("HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\nContent-Length: 0\r\n\r\n", "proxy"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "malformed message"),
        ("HTTP/1.1 200 OK\r\nbroken\r\n\r\n", "malformed message"),
    ])
    func whatIsNoTunnelIsRefused(_ answer: String, _ kind: String) throws {
        try runHTTPLoop {
            let (error, _) = try await refusal(answer)
            #expect(error?.description.hasPrefix("\(kind): ") == true, "\(error as Any)")
        }
    }

    @Test func aSilentProxyIsTimedOutInTheConnectPhase() throws {
        try runHTTPLoop {
            let (error, requests) = try await refusal(nil)
            #expect(requests.count == 1 && error?.kind == .timeout && error?.phase == .connect)
        }
    }

    @Test func aTunnelThatFailsForNowIsTriedAgain() throws {
        try runHTTPLoop {
            let unavailable = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n"
            let forbidden = "HTTP/1.1 403 Never\r\nContent-Length: 0\r\n\r\n"
            let scripted = try ScriptedProxy([unavailable, unavailable, forbidden, ok], to: .loopback(port: 1))
            let request = HTTPClientRequest(.post, "https://origin.test/", body: .text("x"))
            let error = await #expect(throws: HTTPError.self) {
                _ = try await client(.via(scripted.proxy)).execute(request, retry: RetryPolicy(retries: 9))
            }
            #expect(error?.proxyStatus?.code == 403 && scripted.requests.count == 3)
        }
    }

    @Test func aTunnelThatIsCancelledLeavesNothing() throws {
        try runHTTPLoop {
            let scripted = try ScriptedProxy([nil], to: .loopback(port: 1))
            let client = client(.via(scripted.proxy)) { $0.maximumConnections = 1 }
            let task = onLoop { try await client.get("https://origin.test/").text }
            try await sleep(for: .seconds(1))
            task.cancel()
            await #expect(throws: CancellationError.self) { _ = try await task.value }
            // The place is free.
            scripted.listener.close()
            let error = await #expect(throws: HTTPError.self) { _ = try await client.get("https://origin.test/") }
            #expect(error?.kind == .connect)
        }
    }
}

/// With TLS in the tunnel.
@Suite(.timeLimit(.minutes(5)), .enabled(if: TLSFixtures.isAvailable, "the openssl command is not installed"))
struct ProxyTunnelTests {
    private func origin(_ certificate: String = "good") throws -> (server: HTTPServer, seen: Seen) {
        let seen = Seen()
        var configuration = HTTPServer.Configuration()
        configuration.tls = TLSFixtures.shared.server(certificate)
        let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { request, _ in
            seen.requests.append(request)
            return HTTPServerResponse(body: .text("through \(request.path!)"))
        }
        onLoop { try await server.run() }
        return (server, seen)
    }

    /// Touched on one loop only.
    private final class Seen: @unchecked Sendable {
        var requests: [HTTPRequest] = []
    }

    @Test func httpsGoesThroughATunnelThatIsKept() throws {
        try runHTTPLoop {
            let (server, seen) = try origin()
            let scripted = try ScriptedProxy([established, established], to: server.localAddress)
            let client = client(.via(proxy(at: scripted.listener.localAddress)))
            let fields: HTTPFields = [.proxyAuthorization: "Basic eA==", .authorization: "Bearer y"]
            for path in ["/1", "/2", "/3"] {
                let url = HTTPURL("https://localhost:444\(path)")!
                let text = try await client.get(url, headerFields: fields).text
                #expect(text == "through \(path)")
            }
            #expect(
                scripted.requests == ["CONNECT localhost:444 HTTP/1.1\r\nHost: localhost:444\r\n\(credentials)\r\n"]
            )
            // What the proxy may know the origin may not, and the other way round.
            #expect(seen.requests.map(\.path) == ["/1", "/2", "/3"])
            #expect(seen.requests.allSatisfy { $0.headerFields[.host] == "localhost:444" })
            #expect(seen.requests.allSatisfy { !$0.headerFields.contains(.proxyAuthorization) })
            #expect(seen.requests.allSatisfy { $0.headerFields[.authorization] == "Bearer y" })
        }
    }

    /// Fields of a 2xx that would announce a body mean nothing (RFC 9110 §9.3.6).
    @Test(arguments: ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 204 Yes\r\n\r\n"])
    func everySuccessOpensATunnel(_ answer: String) throws {
        try runHTTPLoop {
            let (server, _) = try origin()
            let scripted = try ScriptedProxy([answer], to: server.localAddress)
            let text = try await client(.via(scripted.proxy)).get("https://localhost/a").text
            #expect(text == "through /a")
        }
    }

    @Test func theOriginsCertificateIsChecked() throws {
        try runHTTPLoop {
            let (server, seen) = try origin("other")
            let scripted = try ScriptedProxy([established], to: server.localAddress)
            let error = await #expect(throws: HTTPError.self) {
                _ = try await client(.via(scripted.proxy)).get("https://localhost/")
            }
            #expect((error?.underlying as? TLSError)?.kind == .wrongHost)
            #expect(seen.requests.isEmpty)
        }
    }

    @Test func anAddressIsPutInBrackets() throws {
        try runHTTPLoop {
            let (server, _) = try origin()
            let scripted = try ScriptedProxy([established], to: server.localAddress)
            _ = try? await client(.via(scripted.proxy)).get("https://[2001:db8::1]/")
            #expect(scripted.requests.first?.hasPrefix("CONNECT [2001:db8::1]:443 HTTP/1.1\r\n") == true)
        }
    }
}

/// tinyproxy, which this project did not write.
@Suite(.timeLimit(.minutes(5)), .enabled(if: Tinyproxy.isInstalled, "tinyproxy is not installed"))
struct TinyproxyTests {
    @Test(.enabled(if: TLSFixtures.isAvailable, "the openssl command is not installed"))
    func aRealProxyServesBothSchemes() throws {
        try runHTTPLoop(realTime: true) {
            var configuration = HTTPServer.Configuration()
            configuration.tls = TLSFixtures.shared.server()
            let handler: HTTPServer.Handler = { request, body in
                var count = 0
                for try await piece in body { count += piece.count }
                let isTold = request.headerFields.contains(.proxyAuthorization)
                return HTTPServerResponse(body: .text("\(request.path!) \(count) \(isTold)"))
            }
            let plain = try HTTPServer.bind(to: .loopback(port: 0), handler: handler)
            let secure = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration, handler: handler)
            for server in [plain, secure] { onLoop { try await server.run() } }
            let tinyproxy = try await Tinyproxy()
            defer { withExtendedLifetime(tinyproxy) {} }
            let known = client(.via(HTTPProxy(stringLiteral: "ada:secret@\(tinyproxy.address)")))
            let bases = ["http://\(plain.localAddress)", "https://localhost:\(secure.localAddress.port)"]
            for base in bases {
                let texts = try await (0..<20).concurrentMap(limit: 5) { number in
                    try await known.get(HTTPURL("\(base)/\(number)")!).text
                }
                #expect(texts == (0..<20).map { "/\($0) 0 false" })
                let large = HTTPBody.bytes([UInt8](repeating: 1, count: 3 << 20))
                // Not a POST: this proxy closes its connections without saying so, and only an idempotent request is sent again.
                let text = try await known.request(.put, HTTPURL("\(base)/up")!, body: large).text
                #expect(text == "/up \(3 << 20) false")
            }
            await known.shutdown()
            // Without credentials: a response for http, an error for https.
            let stranger = client(.via(HTTPProxy(stringLiteral: "\(tinyproxy.address)")))
            let refused = try await stranger.get(HTTPURL("\(bases[0])/")!)
            #expect(refused.status == .proxyAuthenticationRequired)
            let error = await #expect(throws: HTTPError.self) { _ = try await stranger.get(HTTPURL("\(bases[1])/")!) }
            #expect(error?.kind == .proxy && error?.proxyStatus == .proxyAuthenticationRequired)
            await stranger.shutdown()
        }
    }
}

private final class Tinyproxy {
    static let isInstalled = access("/usr/bin/tinyproxy", X_OK) == 0

    let address: SocketAddress
    private let process: PeerProcess

    init() async throws {
        let probe = try TCPListener.bind(to: .loopback(port: 0))
        address = probe.localAddress
        probe.close()
        let path = TLSFixtures.shared.path("tinyproxy-\(address.port)")
        let file = fopen(path, "w")!
        fputs("Port \(address.port)\nListen 127.0.0.1\nBasicAuth ada secret\nLogLevel Critical\n", file)
        fclose(file)
        process = PeerProcess("tinyproxy -d -c \(path) >/dev/null 2>&1")
        for _ in 0..<200 {
            if (try? await TCPStream.connect(to: address)) != nil { break }
            try await sleep(for: .milliseconds(20))
        }
    }
}
