// The phrases of docs/start.md that no other page shows: compiled, and not run.
import Leat

/// `ContextVar`.
private enum Context {
    @TaskLocal static var user: String?
}

private struct NotOK: Error {}

func phrases(_ url: HTTPURL, _ fields: HTTPFields, path: String) async throws {
    var configuration = HTTPClient.Configuration()
    configuration.baseURL = "https://api.example/v2/"
    configuration.cookies = CookieJar()
    configuration.observer = { event in print(event) }
    configuration.proxy = .via("http://user:password@proxy.example:3128")
    configuration.proxy = try .fromEnvironment()
    configuration.unixSocket = try .unix(path: path)
    configuration.decompresses = false
    configuration.redirects = .none
    configuration.limits.maximumStartLine = 8192
    configuration.limits.maximumFieldLine = 8192
    configuration.tls.trustRoots = .file(path)
    configuration.tls.certificateChainFile = path
    configuration.tls.privateKeyFile = path
    configuration.tls.minimumVersion = .tls13
    configuration.idleTimeout = .seconds(15)
    configuration.addressLifetime = .seconds(10)
    let client = HTTPClient(configuration: configuration)
    try await client.warmUp(url, connections: 8)

    var response = try await client.get("items/7")
    response = try await client.request(.put, url, body: try await .file(at: path))
    response = try await client.post(url, body: .stream { writer in try await writer.write("…") })
    guard response.status.code < 400 else { throw NotOK() }
    print(response.headerFields[HTTPField.Name("X")!] ?? "", try response.text(), response.body.count)

    var form = MultipartForm()
    try form.append(.text("…"), name: "t")
    try await form.appendFile(at: path, name: "f")
    response = try await client.post(url, form: form)

    var fields = fields
    try fields.setBasicAuthorization(user: "ada", password: "1815")
    let jar = CookieJar()
    try jar.load(jar.text)
    do {
        response = try await withTimeout(.seconds(5)) { try await client.get(url) }
    } catch let error as TimeoutError {
        print(error.detail ?? "", EventLoop.currentDeadline ?? .distantFuture)
    }
    try await Context.$user.withValue("ada") { print(try await client.get(url).status, Context.user ?? "") }
    await client.shutdown()
}

func phrasesOfServers(path: String) async throws {
    let server = try HTTPServer.bind(to: .unix(path: path)) { _, _ in
        HTTPServerResponse(body: try await .file(at: path))
    }
    try await server.run()
    let listener = try TCPListener.bind(to: .unix(path: path))
    let stream = try await TCPStream.connect(to: .unix(path: path))
    stream.close()
    listener.close()
}
