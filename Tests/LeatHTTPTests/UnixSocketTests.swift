import Glibc
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@Suite(.timeLimit(.minutes(5)))
struct UnixSocketTests {
    private func address(_ name: String) throws -> SocketAddress {
        try .unix(abstractName: "leat-http-\(getpid())-\(name)")
    }

    private func client(_ address: SocketAddress) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.unixSocket = address
        // Not asked: the socket goes before it.
        configuration.proxy = .via("http://127.0.0.1:1")
        configuration.tls = TLSFixtures.shared.client
        return HTTPClient(configuration: configuration)
    }

    @Test func theURLSaysHostAndPathButNotWhere() throws {
        try runHTTPLoop {
            let address = try address("host")
            let server = try HTTPServer.bind(to: address) { request, _ in
                if request.path == "/away" {
                    return HTTPServerResponse(status: .found, headerFields: [.location: "http://other.test/b"])
                }
                return HTTPServerResponse(body: .text("\(request.headerFields[.host]!) \(request.path!)"))
            }
            #expect(server.localAddress == address)
            let serving = onLoop { try await server.run() }
            let client = client(address)
            let text = try await client.get("http://docker.test/a?b").text
            #expect(text == "docker.test /a?b")
            let away = try await client.get("http://docker.test/away").text
            #expect(away == "other.test /b")
            let many = try await (0..<200).concurrentMap(limit: 50) { number in
                try await client.get(HTTPURL("http://x.test/\(number)")!).text
            }
            #expect(many == (0..<200).map { "x.test /\($0)" })
            await client.shutdown()
            server.beginGracefulShutdown()
            let left = try await serving.value
            #expect(left == 0)
        }
    }

    @Test(.enabled(if: TLSFixtures.isAvailable, "the openssl command is not installed"))
    func tlsIsSpokenWithTheHostOfTheURL() throws {
        try runHTTPLoop {
            var configuration = HTTPServer.Configuration()
            configuration.tls = TLSFixtures.shared.server()
            let address = try address("tls")
            let server = try HTTPServer.bind(to: address, configuration: configuration) { _, _ in
                HTTPServerResponse(body: .text("secret"))
            }
            onLoop { try await server.run() }
            let client = client(address)
            let text = try await client.get("https://localhost/").text
            #expect(text == "secret")
            let error = await #expect(throws: HTTPError.self) { _ = try await client.get("https://elsewhere.test/") }
            #expect((error?.underlying as? TLSError)?.kind == .wrongHost)
        }
    }

    @Test func aSocketThatIsNotThereIsNamed() throws {
        try runHTTPLoop {
            let client = client(try .unix(path: "/tmp/leat-no-such-socket"))
            let error = await #expect(throws: HTTPError.self) { _ = try await client.get("http://x.test/") }
            #expect(error?.kind == .connect && error?.message.contains("unix:/tmp/leat-no-such-socket") == true)
        }
    }
}

@Suite(.timeLimit(.minutes(5)))
struct WarmUpTests {
    private func server() throws -> HTTPServer {
        let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, _ in
            if request.path == "/slow" { try await sleep(for: .seconds(1)) }
            return HTTPServerResponse(body: .text("ok"))
        }
        onLoop { try await server.run() }
        return server
    }

    private func client(perHost: Int = 100, total: Int = 1000) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.maximumConnectionsPerHost = perHost
        configuration.maximumConnections = total
        return HTTPClient(configuration: configuration)
    }

    @Test func connectionsThatWereOpenedAheadAreUsed() throws {
        try runHTTPLoop {
            let server = try server()
            let url = HTTPURL("http://\(server.localAddress)/slow")!
            let client = client()
            let first = try await client.warmUp(url, connections: 4)
            try await sleep(for: .milliseconds(1))
            #expect(first == 4 && server.connectionCount == 4)
            let again = try await client.warmUp(url, connections: 6)
            let fewer = try await client.warmUp(url, connections: 2)
            #expect(again == 6 && fewer == 6)
            _ = try await (0..<6).concurrentMap(limit: 6) { _ in try await client.get(url).text }
            #expect(server.connectionCount == 6)
        }
    }

    @Test func theLimitsOfThePoolApply() throws {
        try runHTTPLoop {
            let (one, other) = (try server(), try server())
            let urls = [one, other].map { HTTPURL("http://\($0.localAddress)/")! }
            let client = client(perHost: 3, total: 5)
            let first = try await client.warmUp(urls[0], connections: 10)
            let second = try await client.warmUp(urls[1], connections: 10)
            let none = try await client.warmUp(urls[1], connections: -1)
            #expect(first == 3 && second == 2 && none == 2)
        }
    }

    @Test func aServerThatIsNotThereIsAnErrorAndTakesNoPlaces() throws {
        try runHTTPLoop {
            let dead = try TCPListener.bind(to: .loopback(port: 0))
            dead.close()
            let client = client(perHost: 2, total: 2)
            let error = await #expect(throws: HTTPError.self) {
                try await client.warmUp(HTTPURL("http://\(dead.localAddress)/")!, connections: 2)
            }
            #expect(error?.kind == .connect)
            let server = try server()
            let count = try await client.warmUp(HTTPURL("http://\(server.localAddress)/")!, connections: 2)
            #expect(count == 2)
        }
    }

    @Test func oneThatIsCancelledTakesNoPlaces() throws {
        try runHTTPLoop {
            let silent = try ScriptedProxy([nil, nil], to: .loopback(port: 1))
            var configuration = HTTPClient.Configuration()
            configuration.proxy.https = silent.proxy
            configuration.maximumConnections = 2
            let client = HTTPClient(configuration: configuration)
            let task = onLoop { try await client.warmUp("https://origin.test/", connections: 2) }
            try await sleep(for: .seconds(1))
            task.cancel()
            await #expect(throws: CancellationError.self) { _ = try await task.value }
            let server = try server()
            let count = try await client.warmUp(HTTPURL("http://\(server.localAddress)/")!, connections: 2)
            #expect(silent.requests.count == 2 && count == 2)
        }
    }

    /// It has not served a request, and is stale all the same.
    @Test func aConnectionThatTheServerClosedMeanwhileIsReplaced() throws {
        try runHTTPLoop {
            let scripted = try ScriptedServer([[""], [ok]])
            let client = client()
            let count = try await client.warmUp(scripted.url)
            let text = try await client.get(scripted.url).text
            #expect(count == 1 && text == "ok" && scripted.requests.map(\.count) == [1, 1])
        }
    }

    @Test func afterTheEndNothingIsOpened() throws {
        try runHTTPLoop {
            let server = try server()
            let client = client()
            await client.shutdown()
            let error = await #expect(throws: HTTPError.self) {
                try await client.warmUp(HTTPURL("http://\(server.localAddress)/")!)
            }
            #expect(error?.kind == .shutdown)
        }
    }
}
