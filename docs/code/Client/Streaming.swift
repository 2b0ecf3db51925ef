// The code of docs/guides/streaming.md: `swift run doc-client streaming`.
import Foundation
import Glibc
import Leat

func save(_ client: HTTPClient, _ url: HTTPURL, to file: FileHandle) async throws {
    let request = HTTPClientRequest(.get, url)
    let loop = EventLoop.current
    try await client.perform(request) { response, body in
        guard response.status == .ok else { return }
        for try await piece in body { try await loop.offload { try file.write(contentsOf: Data(piece)) } }
    }
    print("saved", try file.offset(), "bytes")
}

func report(_ client: HTTPClient, _ request: HTTPClientRequest) async throws {
    let text = try await client.perform(request) { response, body in
        guard response.status == .ok else { return "no report: \(response.status)" }
        return try await body.text(charset: response.headerFields.charset() ?? .utf8, upTo: 1 << 20)
    }
    print(text)
}

func firstError(_ client: HTTPClient, _ request: HTTPClientRequest) async throws {
    let found = try await client.perform(request) { response, body in
        for try await line in body.lines() where line.hasPrefix("error") { return line }
        return "no errors"
    }
    print(found)
}

func follow(_ client: HTTPClient, _ events: HTTPURL) async throws {
    var request = HTTPClientRequest(.get, events)
    request.headerFields[.accept] = "text/event-stream"
    var pause = Duration.seconds(3)
    while true {
        do {
            let isOver = try await client.perform(request) { response, body in
                guard response.status == .ok, response.headerFields.mediaType?.essence == "text/event-stream"
                else { return true }
                for try await event in body.serverSentEvents() {
                    print(event.event, event.data)
                    request.headerFields[HTTPField.Name("Last-Event-ID")!] = event.id.isEmpty ? nil : event.id
                    pause = event.retry ?? pause
                }
                return false
            }
            if isOver { return }
        } catch let error as HTTPError where [.connect, .connection, .incomplete, .timeout].contains(error.kind) {
            print("lost:", error)
        }
        try await sleep(for: pause)
    }
}

func measurements(_ client: HTTPClient, _ url: HTTPURL) async throws {
    let body = HTTPBody.stream { writer in
        for number in 0..<1000 { try await writer.write("{\"measurement\": \(number)}\n") }
        try writer.addTrailers([HTTPField.Name("X-Count")!: "1000"])
    }
    let response = try await client.post(url, headerFields: [.trailer: "X-Count"], body: body)
    print("sent in chunks:", response.text)
}

func streaming() async throws {
    try await serving(library) { base in
        let client = HTTPClient()
        let path = FileManager.default.temporaryDirectory.path + "/leat-doc-\(getpid()).bin"
        guard FileManager.default.createFile(atPath: path, contents: nil) else { fatalError("cannot create \(path)") }
        defer { unlink(path) }
        try await save(client, base.resolving("/large"), to: FileHandle(forWritingAtPath: path)!)
        try await report(client, HTTPClientRequest(.get, base.resolving("/report")))
        try await firstError(client, HTTPClientRequest(.get, base.resolving("/log")))
        try await follow(client, base.resolving("/events"))
        try await measurements(client, base)
    }
}

/// What the functions above ask for.
@Sendable func library(_ request: HTTPRequest, _ body: HTTPBodyReader) async throws -> HTTPServerResponse {
    switch request.uri.path {
    case "/large":
        let piece = [UInt8](repeating: 0, count: 1 << 16)
        return HTTPServerResponse(body: .stream { writer in for _ in 0..<256 { try await writer.write(piece) } })
    case "/report":
        let fields: HTTPFields = [.contentType: "text/plain; charset=iso-8859-1"]
        return HTTPServerResponse(headerFields: fields, body: .bytes(Array("caf".utf8) + [0xE9]))
    case "/log":
        return HTTPServerResponse(
            body: .stream { writer in
                try await writer.write("started\nerror: the mill stands still\n")
                while true { try await writer.write("more\n") }
            }
        )
    case "/events":
        guard request.headerFields[HTTPField.Name("Last-Event-ID")!] == nil else {
            return HTTPServerResponse(status: .noContent)
        }
        let events = "retry: 500\nid: 1\ndata: up\n\nevent: level\nid: 2\ndata: 3.2 m\n\n"
        return HTTPServerResponse(headerFields: [.contentType: "text/event-stream"], body: .text(events))
    default:
        var size = 0
        for try await piece in body { size += piece.count }
        let count = body.trailers[HTTPField.Name("X-Count")!] ?? "missing"
        return HTTPServerResponse(body: .text("\(size) bytes, count \(count)"))
    }
}
