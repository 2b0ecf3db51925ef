// The code of docs/guides/proxies-and-unix-sockets.md: `swift run doc-proxies`.
import Glibc
import Leat

@main struct Proxies: LoopProgram {
    func run() async throws {
        try await overAUnixSocket(path: "/tmp/leat-doc-\(getpid()).sock")
        let proxy = try HTTPServer.bind(to: .loopback(port: 0)) { request, _ in
            let isKnown = request.headerFields.contains(.proxyAuthorization)
            guard request.method == .get, isKnown else { return HTTPServerResponse(status: .forbidden) }
            return HTTPServerResponse(body: .text("asked for \(request.path!)"))
        }
        let serving = Task { try await proxy.run() }
        let client = try throughAProxy("http://ada:secret@\(proxy.localAddress)")
        print(try await client.get("http://example.com/a").text)
        await whyNot(client)
        try await ready(HTTPClient(), HTTPURL("http://\(proxy.localAddress)/")!)
        proxy.beginGracefulShutdown()
        _ = try await serving.value
    }
}

func throughAProxy(_ url: String) throws -> HTTPClient {
    var configuration = HTTPClient.Configuration()
    configuration.proxy = .via(try HTTPProxy(parsing: url), except: "localhost, .internal.example, 10.0.0.0/8")
    return HTTPClient(configuration: configuration)
}

func asTheEnvironmentSays() throws -> HTTPClient {
    var configuration = HTTPClient.Configuration()
    configuration.proxy = try .fromEnvironment()
    return HTTPClient(configuration: configuration)
}

func whyNot(_ client: HTTPClient) async {
    do {
        print(try await client.get("https://example.com/").status)
    } catch let error as HTTPError where error.kind == .proxy {
        print("no tunnel:", error.proxyStatus?.code ?? 0)
    } catch {
        print(error)
    }
}

func overAUnixSocket(path: String) async throws {
    let address = try SocketAddress.unix(path: path)
    let server = try HTTPServer.bind(to: address) { request, _ in
        HTTPServerResponse(body: .text("\(request.headerFields[.host]!) \(request.uri.path)"))
    }
    let serving = Task { try await server.run() }
    var configuration = HTTPClient.Configuration()
    configuration.unixSocket = address
    let client = HTTPClient(configuration: configuration)
    print(try await client.get("http://app.example/status").text)
    server.beginGracefulShutdown()
    _ = try await serving.value
}

func ready(_ client: HTTPClient, _ url: HTTPURL) async throws {
    let idle = try await client.warmUp(url, connections: 8)
    print(idle, "connections are ready")
}
