import Glibc
import Leat
import LeatHTTP
import Testing

@Suite(.timeLimit(.minutes(2)))
struct BodyTypeTests {
    @Test func aBodyKnowsWhatItIs() {
        #expect(HTTPBody.none.contentType == nil)
        #expect(HTTPBody.bytes([1]).contentType == nil)
        #expect(HTTPBody.stream { _ in }.contentType == nil)
        #expect(HTTPBody.text("a").contentType == "text/plain; charset=utf-8")
        #expect(HTTPBody.html("<p>").contentType == "text/html; charset=utf-8")
        #expect(HTTPBody.json([]).contentType == "application/json")
        #expect(HTTPBody.form([("a", "b")]).contentType == "application/x-www-form-urlencoded")
        #expect(HTTPBody.stream(contentType: "text/event-stream") { _ in }.contentType == "text/event-stream")
        let form = MultipartForm()
        #expect(form.body.contentType == form.contentType)
    }

    @Test(arguments: ["application/json", "image/png", "image/PNG", "x/y; a=\"b\"", ""])
    func bytesHaveTheTypeThatTheyAreGiven(_ type: String) {
        let body = HTTPBody.bytes([1, 2, 3], contentType: type)
        #expect(body.contentType == type)
        #expect(body.length == 3 && body.isReplayable)
        #expect(body.contentTypeLine?.withBytes { Array($0) } == Array("Content-Type: \(type)\r\n".utf8))
    }

    @Test(arguments: HTTPContentType.allCases)
    func aCommonTypeIsAMediaTypeAndALine(_ type: HTTPContentType) {
        #expect(HTTPMediaType(type.value)?.description == type.value)
        #expect("\(type.line)" == "Content-Type: \(type.value)\r\n")
        let body = HTTPBody.bytes([], contentType: type.value)
        #expect(body.contentType == type.value)
        if case .bytes = body.content {} else { Issue.record("\(type) costs an object") }
    }

    @Test(arguments: [
        ("a/b.HTML", "text/html; charset=utf-8"), ("a.tar.gz", "application/gzip"), ("/x.y/a.svg", "image/svg+xml"),
        (".bashrc", nil), ("README", nil), ("a.html/b", nil), ("a.", nil), ("", nil), ("a.unknown", nil),
    ])
    func theEndOfANameSaysWhatAFileIs(_ path: String, type: String?) {
        #expect(HTTPContentType(path: path)?.value == type)
    }

    @Test func aFileHasTheTypeOfItsName() throws {
        try runHTTPLoop {
            let file = try TemporaryFile(Array("{}".utf8))
            #expect(try await HTTPBody.file(at: file.path).contentType == nil)
            let named = file.path + ".JSON"
            try #require(rename(file.path, named) == 0)
            defer { unlink(named) }
            let body = try await HTTPBody.file(at: named)
            #expect(body.contentType == "application/json" && body.length == 2 && body.isReplayable)
        }
    }

    // MARK: On the wire

    private func types(_ head: String) -> [String] {
        head.split(separator: "\r\n").filter { $0.lowercased().hasPrefix("content-type:") }.map(String.init)
    }

    @Test func aRequestSaysWhatItsBodyIsUnlessAFieldDoes() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[String](repeating: ok, count: 8)])
            let client = HTTPClient()
            _ = try await client.post(server.url, body: .text("a"))
            _ = try await client.post(server.url, headerFields: [.accept: "*/*"], body: .json([0x31]))
            let own: HTTPFields = [.contentType: "text/x-own"]
            _ = try await client.post(server.url, headerFields: own, body: .html("<p>"))
            _ = try await client.post(server.url, body: .bytes([0x31]))
            _ = try await client.post(server.url, body: .bytes([0x31], contentType: "x/y"))
            let stream = HTTPBody.stream(length: 1, contentType: "text/css") { try await $0.write("1") }
            _ = try await client.post(server.url, body: stream)
            _ = try await client.get(server.url)
            _ = try await client.execute(HTTPClientRequest(.put, server.url, body: .form([("a", "b")])))
            #expect(
                server.requests[0].map(types) == [
                    ["Content-Type: text/plain; charset=utf-8"],
                    ["Content-Type: application/json"],
                    ["Content-Type: text/x-own"],
                    [],
                    ["Content-Type: x/y"],
                    ["Content-Type: text/css"],
                    [],
                    ["Content-Type: application/x-www-form-urlencoded"],
                ]
            )
        }
    }

    @Test func aDefaultFieldOfTheClientComesBeforeTheBody() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[ok, ok]])
            var configuration = HTTPClient.Configuration()
            configuration.defaultHeaderFields[.contentType] = "application/x-default"
            let client = HTTPClient(configuration: configuration)
            _ = try await client.post(server.url, body: .text("a"))
            _ = try await client.post(server.url, headerFields: [.from: "b"], body: .text("a"))
            let expected = ["Content-Type: application/x-default"]
            #expect(server.requests[0].map(types) == [expected, expected])
        }
    }

    @Test func aTypeThatWouldEndItsLineIsNotSent() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[ok]])
            let client = HTTPClient()
            for fields: HTTPFields in [[:], [.accept: "*/*"]] {
                for body in [HTTPBody.bytes([], contentType: "a/b\r\nX: y"), .stream(contentType: "a/b\0") { _ in }] {
                    let error = await #expect(throws: HTTPError.self) {
                        try await client.post(server.url, headerFields: fields, body: body)
                    }
                    #expect(error?.kind == .invalidRequest)
                    #expect(error?.message.contains("“Content-Type”: the value contains a control character") == true)
                }
            }
            // And the connection is as good as before.
            #expect(try await client.get(server.url).text == "ok")
        }
    }

    @Test func aResponseSaysWhatItsBodyIsUnlessAFieldDoes() throws {
        func head(_ response: HTTPServerResponse, _ framing: HTTPBodyFraming) throws -> [String] {
            var output: [UInt8] = []
            try HTTPEncoder.appendResponseHead(
                HTTPResponse(status: response.status, headerFields: response.headerFields),
                framing: framing,
                contentType: response.body.contentTypeLine,
                to: &output
            )
            return types(String(decoding: output, as: UTF8.self))
        }
        let text = HTTPServerResponse(body: .text("a"))
        #expect(try head(text, .length(1)) == ["Content-Type: text/plain; charset=utf-8"])
        let own = HTTPServerResponse(headerFields: [.contentType: "x/y"], body: .text("a"))
        #expect(try head(own, .length(1)) == ["Content-Type: x/y"])
        #expect(try head(HTTPServerResponse(status: .noContent, body: .text("a")), .length(1)) == [])
        #expect(throws: HTTPEncodingError.self) {
            try head(HTTPServerResponse(body: .bytes([], contentType: "\n")), .length(0))
        }
    }

    @Test func aFileOfAFormHasTheTypeOfItsBody() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[ok]])
            var form = MultipartForm()
            try form.append(.text("a"), name: "field")
            try form.append(.html("<p>"), name: "page", filename: "page")
            try form.append(.bytes([1]), name: "bytes", filename: "bytes")
            _ = try await HTTPClient().post(server.url, form: form)
            let request = server.requests[0][0]
            #expect(
                types(request) == [
                    "Content-Type: \(form.contentType)", "Content-Type: text/html; charset=utf-8",
                    "Content-Type: application/octet-stream",
                ]
            )
        }
    }
}
