// The code of docs/guides/serving.md: `swift run doc-serving`.
import Leat

@main struct Serving: LoopProgram {
    func run() async throws {
        let server = try library()
        let serving = Task { try await server.run() }
        try await visit(HTTPURL("http://\(server.localAddress)/")!)
        server.beginGracefulShutdown()
        print("cut off:", try await serving.value)
    }
}

func library() throws -> HTTPServer {
    try HTTPServer.bind(to: .loopback(port: 0)) { request, body in
        switch (request.method, request.uri.path) {
        case (.get, "/"): HTTPServerResponse(body: .html("<!doctype html><title>Library</title>"))
        case (.get, "/books"): try list(request)
        case (.post, "/books"): try await add(request, body)
        case (_, "/books"): throw HTTPStatusError(.methodNotAllowed, headerFields: [.allow: "GET, POST"])
        case (.get, let path) where path.hasPrefix("/books/"): try find(path.dropFirst("/books/".count))
        default: throw HTTPStatusError(.notFound)
        }
    }
}

func list(_ request: HTTPRequest) throws -> HTTPServerResponse {
    let text = request.uri[queryItem: "page"] ?? "1"
    guard let page = Int(text), page > 0 else { throw HTTPStatusError(.badRequest, "page is not a number\n") }
    let authors = request.uri.queryItems.filter { $0.name == "author" }.map(\.value)
    return HTTPServerResponse(body: .text("page \(page) of the books by \(authors.joined(separator: " and "))\n"))
}

func find(_ title: Substring) throws -> HTTPServerResponse {
    guard title == "Leviathan" else { throw HTTPStatusError(.notFound, "no such book\n") }
    return HTTPServerResponse(body: .text("Leviathan, by Thomas Hobbes\n"))
}

struct Book: Codable, Sendable {
    var title: String
    var pages: Int
}

func add(_ request: HTTPRequest, _ body: HTTPBodyReader) async throws -> HTTPServerResponse {
    let book = try await request.decode(Book.self, from: body, with: JSON(), upTo: 1 << 16)
    guard book.pages > 0 else { throw HTTPStatusError(.unprocessableContent, "a book has pages\n") }
    return try HTTPServerResponse(status: .created, encoding: book, with: JSON())
}

func visit(_ base: HTTPURL) async throws {
    let client = HTTPClient()
    for reference in ["/books?author=Ada+Lovelace&author=J%C3%B8rgensen", "/books/Le%76iathan"] {
        print(try await client.get(base.resolving(reference)).text, terminator: "")
    }
    let books = try base.resolving("/books")
    let added = try await client.post(books, encoding: Book(title: "Walden", pages: 352), with: JSON())
    print(added.status, try added.decode(Book.self, with: JSON()).title)
}
