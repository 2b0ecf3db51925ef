// The code of docs/guides/forms-and-json.md: `swift run doc-forms`.
import Leat

@main struct Forms: LoopProgram {
    func run() async throws {
        let server = try orders()
        let serving = Task { try await server.run() }
        let client = HTTPClient()
        let url = HTTPURL("http://\(server.localAddress)/orders")!
        try await search(client, url)
        try await logIn(client, url)
        try await upload(client, url, file: CommandLine.arguments[0])
        try await replace(client, url, file: CommandLine.arguments[0])
        try await order(client, url)
        try await correct(client, url)
        try await stock(client, url)
        await whatElseCame(client, url)
        server.beginGracefulShutdown()
        _ = try await serving.value
    }
}

func search(_ client: HTTPClient, _ url: HTTPURL) async throws {
    let response = try await client.get(url.appending(queryItems: [("q", "water mill"), ("page", "2")]))
    print(response.url.path, response.status)
}

func logIn(_ client: HTTPClient, _ url: HTTPURL) async throws {
    let response = try await client.post(url, form: [("user", "ada"), ("password", "1815 & 1852")])
    print("a form:", response.text)
}

func upload(_ client: HTTPClient, _ url: HTTPURL, file: String) async throws {
    var form = MultipartForm()
    try form.append(.text("Midsummer"), name: "title")
    try form.append(.bytes([0x47, 0x49, 0x46]), name: "icon", filename: "icon.gif", contentType: "image/gif")
    try await form.appendFile(at: file, name: "attachment")
    let response = try await client.post(url, form: form)
    print("a form with files:", response.text)
}

func replace(_ client: HTTPClient, _ url: HTTPURL, file: String) async throws {
    let request = HTTPClientRequest(.put, url, body: try await .file(at: file))
    let response = try await client.execute(request, retry: RetryPolicy(retries: 2))
    print("a file:", response.status)
}

struct Order: Codable, Sendable {
    var item: String
    var count: Int
}

func order(_ client: HTTPClient, _ url: HTTPURL) async throws {
    let response = try await client.post(url, encoding: Order(item: "sieve", count: 2), with: JSON())
    let confirmed = try response.decode(Order.self, with: JSON())
    print(confirmed.item, confirmed.count)
}

func correct(_ client: HTTPClient, _ url: HTTPURL) async throws {
    let request = try HTTPClientRequest(.patch, url, encoding: ["count": 3], with: JSON())
    print("corrected:", try await client.execute(request).status)
}

func stock(_ client: HTTPClient, _ url: HTTPURL) async throws {
    let request = HTTPClientRequest(.get, url)
    let orders = try await client.perform(request) { response, body in
        try await response.decode([Order].self, from: body, with: JSON(), upTo: 1 << 20)
    }
    print(orders.count, "orders")
}

func whatElseCame(_ client: HTTPClient, _ url: HTTPURL) async {
    do {
        let orders = try await client.get(url.resolving("/missing")).decode([Order].self, with: JSON())
        print(orders.count)
    } catch let error as HTTPContentError where error.kind == .status {
        print("no orders:", error.status?.code ?? 0)
    } catch let error as HTTPContentError where error.kind == .contentType {
        print("no JSON:", error.mediaType?.essence ?? "unknown")
    } catch {
        print(error)
    }
}

func orders() throws -> HTTPServer {
    try HTTPServer.bind(to: .loopback(port: 0)) { request, body in
        switch (request.method, request.headerFields.mediaType?.essence) {
        case (.get, _) where request.uri.path == "/missing":
            return HTTPServerResponse(status: .notFound)
        case (.get, _):
            return try HTTPServerResponse(encoding: [Order(item: "sieve", count: 2)], with: JSON())
        case (.post, "application/json"):
            do {
                let order = try await request.decode(Order.self, from: body, with: JSON(), upTo: 1 << 16)
                return try HTTPServerResponse(status: .created, encoding: order, with: JSON())
            } catch is DecodingError {
                return HTTPServerResponse(status: .unprocessableContent)
            }
        default:
            var count = 0
            for try await piece in body { count += piece.count }
            let type = request.headerFields.mediaType?.essence ?? "bytes"
            return HTTPServerResponse(body: .text(count > 0 ? "received \(type)" : "nothing"))
        }
    }
}
