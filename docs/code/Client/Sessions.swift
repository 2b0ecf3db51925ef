// The code of docs/guides/sessions.md: `swift run doc-client sessions`.
import Leat

func makeSession(_ base: HTTPURL, token: String) throws -> HTTPClient {
    var configuration = HTTPClient.Configuration()
    configuration.baseURL = base
    configuration.userAgent = "mill/1.4"
    configuration.defaultHeaderFields = [.accept: "application/json", .acceptLanguage: "en"]
    try configuration.defaultHeaderFields.setBearerAuthorization(token)
    return HTTPClient(configuration: configuration)
}

func addresses() throws {
    let base: HTTPURL = "https://api.example.com/v2/"
    print(try base.resolving("users/7"), try base.resolving("/status"), try base.resolving("../v1/"))
}

func users(_ client: HTTPClient) async throws {
    print(try await client.get("users/7").text)
    print(try await client.get("users/7", headerFields: [.acceptLanguage: "de"]).text)
    let search = try client.url("users").appending(queryItems: [("name", "Ada & Co"), ("page", "2")])
    print(try await client.get(search).text)
}

func asSomebody(_ client: HTTPClient) async throws {
    var fields = HTTPFields()
    try fields.setBasicAuthorization(user: "ada", password: "1815")
    print(try await client.get("whoami", headerFields: fields).text)
}

func visit(_ base: HTTPURL, saved: String) async throws -> String {
    let jar = CookieJar()
    try jar.load(saved)
    var configuration = HTTPClient.Configuration()
    configuration.baseURL = base
    configuration.cookies = jar
    print(try await HTTPClient(configuration: configuration).get("visits").text)
    return jar.text
}

func whereFrom(_ client: HTTPClient) async throws {
    let response = try await client.get("old")
    for redirect in response.history { print(redirect.status.code, redirect.url.path) }
    print("at last:", response.url.path)
}

func pooled() -> HTTPClient {
    var configuration = HTTPClient.Configuration()
    configuration.maximumConnectionsPerHost = 20
    configuration.maximumConnections = 200
    configuration.poolTimeout = .seconds(5)
    configuration.idleTimeout = .seconds(30)
    configuration.connectionLifetime = .seconds(600)
    configuration.addressLifetime = .seconds(60)
    return HTTPClient(configuration: configuration)
}

func sessions() async throws {
    try await serving(api) { root in
        let base = try root.resolving("/v2/")
        let client = try makeSession(base, token: "mF_9.B5f-4.1JqM")
        try addresses()
        try await users(client)
        try await asSomebody(client)
        let cookies = try await visit(base, saved: "")
        _ = try await visit(base, saved: cookies)
        try await whereFrom(client)
        print(try await pooled().warmUp(base, connections: 3), "connections are ready")
        await client.shutdown()
    }
}

/// What the functions above ask for.
@Sendable func api(_ request: HTTPRequest, _ body: HTTPBodyReader) async throws -> HTTPServerResponse {
    let fields = request.headerFields
    switch request.uri.path {
    case "/v2/old": return HTTPServerResponse(status: .movedPermanently, headerFields: [.location: "older"])
    case "/v2/older": return HTTPServerResponse(status: .temporaryRedirect, headerFields: [.location: "/v2/new?a"])
    case "/v2/whoami": return HTTPServerResponse(body: .text(fields[.authorization] ?? "nobody"))
    case "/v2/visits":
        let count = fields[.cookie].flatMap { Int($0.dropFirst("visits=".count)) } ?? 0
        return HTTPServerResponse(
            headerFields: [.setCookie: "visits=\(count + 1); Max-Age=3600"],
            body: .text("\(count) visits before")
        )
    default: return HTTPServerResponse(body: .text("\(request.path!) \(fields[.acceptLanguage] ?? "")"))
    }
}
