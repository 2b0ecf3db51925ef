import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// A coder for strings only: the text between quotes.
struct QuotedText: HTTPBodyEncoder, HTTPBodyDecoder {
    struct Failure: Error {}

    var mediaType: HTTPMediaType { .json }

    func encode(_ value: some Encodable) throws -> [UInt8] {
        guard let text = value as? String else { throw Failure() }
        return Array("\"\(text)\"".utf8)
    }

    func accepts(_ mediaType: HTTPMediaType) -> Bool { mediaType.isJSON }

    func decode<T: Decodable>(_ type: T.Type, from body: [UInt8]) throws -> T {
        guard body.count >= 2, body.first == 0x22, body.last == 0x22 else { throw Failure() }
        guard let value = String(decoding: body.dropFirst().dropLast(), as: UTF8.self) as? T else { throw Failure() }
        return value
    }
}

private func response(_ status: Int, _ contentType: String?, _ body: String = "\"x\"") -> HTTPClientResponse {
    HTTPClientResponse(
        status: HTTPResponse.Status(code: status),
        headerFields: contentType.map { [.contentType: $0] } ?? [:],
        body: Array(body.utf8),
        url: "http://h.test/"
    )
}

@Suite(.timeLimit(.minutes(5)))
struct SessionCodingTests {
    @Test func aValueGoesThereAndBack() throws {
        try runHTTPLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, body in
                let text = try await request.decode(String.self, from: body, with: QuotedText(), upTo: 100)
                let type = request.headerFields[.contentType] ?? ""
                return try HTTPServerResponse(status: .created, encoding: "\(type): \(text)", with: QuotedText())
            }
            let serving = onLoop { try await server.run() }
            let client = HTTPClient()
            let url = HTTPURL("http://\(server.localAddress)/")!
            let collected = try await client.post(url, encoding: "one", with: QuotedText())
            #expect(collected.headerFields[values: .contentType] == ["application/json"])
            #expect(try collected.decode(String.self, with: QuotedText()) == "application/json: one")

            var patch = try HTTPClientRequest(
                .patch,
                url,
                headerFields: [.contentType: "application/merge-patch+json"],
                encoding: "two",
                with: QuotedText()
            )
            let patched = try await client.execute(patch).decode(String.self, with: QuotedText())
            #expect(patched == "application/merge-patch+json: two")

            patch.method = .put
            let streamed = try await client.perform(patch) { response, body in
                try await response.decode(String.self, from: body, with: QuotedText(), upTo: 100)
            }
            #expect(streamed == patched)
            server.beginGracefulShutdown()
            _ = try await serving.value
        }
    }

    @Test(arguments: ["application/json", "APPLICATION/JSON; charset=utf-8", "text/json", "application/problem+json"])
    func aJSONTypeIsDecoded(contentType: String) throws {
        #expect(try response(200, contentType).decode(String.self, with: QuotedText()) == "x")
        #expect(HTTPMediaType(contentType)?.isJSON == true)
    }

    @Test(arguments: [
        ("text/html; charset=utf-8", "the body is text/html, which the decoder does not accept"),
        ("application/jsonp", "the body is application/jsonp, which the decoder does not accept"),
        ("json", "the Content-Type of the body is malformed"),
        (nil, "the Content-Type of the body is missing"),
    ])
    func anotherTypeIsAnErrorThatNamesIt(contentType: String?, message: String) throws {
        let error = try #require(
            #expect(throws: HTTPContentError.self) {
                try response(200, contentType).decode(String.self, with: QuotedText())
            }
        )
        #expect(error.kind == .contentType)
        #expect(error.status?.code == 200)
        #expect(error.mediaType == contentType.flatMap { HTTPMediaType($0) })
        #expect(error.description == "content type: \(message)")
    }

    @Test(arguments: [199, 304, 404, 500])
    func aStatusThatIsNoSuccessIsAnErrorThatNamesIt(status: Int) throws {
        // Although there is a body that could be decoded.
        let error = try #require(
            #expect(throws: HTTPContentError.self) {
                try response(status, "application/json").decode(String.self, with: QuotedText())
            }
        )
        #expect(error.kind == .status)
        #expect(error.status?.code == status)
        #expect(error.mediaType == .json)
        #expect(error.message.contains("\(status)"))
    }

    @Test func whatTheCoderThrowsIsThrown() throws {
        #expect(throws: QuotedText.Failure.self) {
            try response(200, "application/json", "x").decode(String.self, with: QuotedText())
        }
        #expect(throws: QuotedText.Failure.self) {
            try HTTPClientRequest(.post, "http://h.test/", encoding: 1, with: QuotedText())
        }
    }

    @Test func aStreamedBodyIsCheckedBeforeItIsReadAndBounded() throws {
        try runHTTPLoop {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Type:"
            // Of the first one the body never comes.
            let server = try ScriptedServer([["\(head) text/plain\r\n\r\n"], ["\(head) text/json\r\n\r\n\"1234\""]])
            let request = HTTPClientRequest(.get, server.url)
            let client = HTTPClient()
            await #expect(throws: HTTPContentError.self) {
                try await client.perform(request) { response, body in
                    try await response.decode(String.self, from: body, with: QuotedText(), upTo: 5)
                }
            }
            let error = await #expect(throws: HTTPError.self) {
                try await client.perform(request) { response, body in
                    try await response.decode(String.self, from: body, with: QuotedText(), upTo: 5)
                }
            }
            #expect(error?.kind == .bodyTooLarge)
        }
    }
}
