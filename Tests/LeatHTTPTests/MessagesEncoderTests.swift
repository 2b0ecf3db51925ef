import LeatHTTP
import Testing

@Suite struct MessagesEncoderTests {
    private func encode(
        _ request: HTTPRequest,
        _ framing: HTTPBodyFraming = .none,
        _ connection: HTTPConnectionOption = .unstated
    ) throws(HTTPEncodingError) -> String {
        var output = Array("before|".utf8)
        defer { if output.count == 7 { #expect(output == Array("before|".utf8)) } }
        do throws(HTTPEncodingError) {
            try HTTPEncoder.appendRequestHead(request, framing: framing, connection: connection, to: &output)
        } catch {
            #expect(output == Array("before|".utf8), "a refused head leaves nothing behind")
            throw error
        }
        return String(decoding: output.dropFirst(7), as: UTF8.self)
    }

    private func encode(_ response: HTTPResponse, _ framing: HTTPBodyFraming) throws(HTTPEncodingError) -> String {
        var output: [UInt8] = []
        try HTTPEncoder.appendResponseHead(
            response,
            framing: framing,
            connection: .close,
            additionalLines: Array("Date: now\r\n".utf8),
            to: &output
        )
        return String(decoding: output, as: UTF8.self)
    }

    private func get(_ path: String? = "/", _ fields: HTTPFields = [:], authority: String? = "a") -> HTTPRequest {
        HTTPRequest(method: .get, scheme: "http", authority: authority, path: path, headerFields: fields)
    }

    private func kind(_ body: () throws -> String) -> HTTPEncodingError.Kind? {
        do {
            _ = try body()
            return nil
        } catch {
            return (error as? HTTPEncodingError)?.kind
        }
    }

    @Test func aHeadIsWrittenInOrder() throws {
        let fields: HTTPFields = [.accept: "*/*", .userAgent: "leat"]
        #expect(
            try encode(get("/x?y", fields)) == "GET /x?y HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nUser-Agent: leat\r\n\r\n"
        )
        #expect(try encode(get(nil), .length(12), .close).hasSuffix("Content-Length: 12\r\nConnection: close\r\n\r\n"))
        #expect(try encode(get(), .chunked).hasSuffix("Host: a\r\nTransfer-Encoding: chunked\r\n\r\n"))
        #expect(try encode(get("/", [.host: "b:8"])) == "GET / HTTP/1.1\r\nHost: b:8\r\n\r\n")
        let connect = HTTPRequest(method: .connect, scheme: nil, authority: "b:443", path: nil)
        #expect(try encode(connect) == "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n")
        #expect(
            try encode(HTTPResponse(status: .notFound, headerFields: [.server: "x"]), .length(0))
                == "HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Length: 0\r\nConnection: close\r\nDate: now\r\n\r\n"
        )
        #expect(try encode(HTTPResponse(status: .noContent), .length(0)).contains("Content-Length") == false)
        #expect(try encode(HTTPResponse(status: 299), .none).hasPrefix("HTTP/1.1 299 \r\n"))
    }

    @Test(arguments: ["\r\nX: y", "\n", "\r", "\u{0}", "\u{1}", "\u{7f}", "12345678\r\n"])
    func nothingInAHeadEndsItsLine(_ evil: String) {
        #expect(kind { try encode(get("/\(evil)")) } == .invalidTarget)
        #expect(kind { try encode(get(authority: "a\(evil)")) } == .invalidAuthority)
        #expect(kind { try encode(get("/", [.accept: "a\(evil)b"])) } == .invalidFieldValue)
        #expect(kind { try encode(get("/", [.host: "a\(evil)"])) } != nil)
        let reason = HTTPResponse(status: .init(code: 200, reasonPhrase: "OK\(evil)"))
        #expect(kind { try encode(reason, .none) } == .invalidReasonPhrase)
        #expect(
            kind { try encode(HTTPResponse(status: .ok, headerFields: [.server: evil]), .none) } == .invalidFieldValue
        )
        var output: [UInt8] = []
        #expect(throws: HTTPEncodingError.self) {
            try HTTPEncoder.appendLastChunk(trailers: [.accept: evil], to: &output)
        }
        #expect(output.isEmpty)
    }

    @Test func textIsCheckedAsBytes() throws {
        // U+010D ends in 0x0D as UTF-16, and is two harmless octets as UTF-8; in a target it must be encoded.
        #expect(try encode(get("/", [.accept: "\u{10D}\u{10A}"])).contains("\u{10D}\u{10A}\r\n"))
        #expect(kind { try encode(get("/\u{10D}")) } == .invalidTarget)
        for target in ["", "/a b", "/a#b", "/\u{e9}", "/a\tb"] {
            #expect(kind { try encode(get(target)) } == .invalidTarget)
        }
    }

    @Test func theAuthorityIsChecked() {
        for authority in ["u@a", "a b", "a/b", "a:0", ":", "a::", "[::1", "a\\b", "é"] {
            #expect(kind { try encode(get(authority: authority)) } == .invalidAuthority)
            #expect(kind { try encode(get("/", [.host: authority])) } == .invalidHost)
        }
        #expect(kind { try encode(get(authority: nil)) } == .missingAuthority)
        #expect(kind { try encode(get(authority: "")) } == .missingAuthority)
        #expect(kind { try encode(get("/", [.host: "a", .host: "a"])) } == .duplicateHost)
    }

    @Test func usersDoNotFrameTheBody() throws {
        let wrong: [(HTTPFields, HTTPBodyFraming, HTTPEncodingError.Kind)] = [
            ([.contentLength: "5"], .none, .conflictingContentLength),
            ([.contentLength: "5"], .length(6), .conflictingContentLength),
            ([.contentLength: "+5"], .length(5), .conflictingContentLength),
            ([.contentLength: "5"], .chunked, .conflictingContentLength),
            ([.contentLength: "5", .contentLength: "5"], .length(5), .conflictingContentLength),
            ([.transferEncoding: "chunked"], .length(5), .conflictingTransferEncoding),
            ([.transferEncoding: "chunked"], .none, .conflictingTransferEncoding),
            ([.transferEncoding: "gzip, chunked"], .chunked, .conflictingTransferEncoding),
        ]
        for (fields, framing, expected) in wrong {
            #expect(kind { try encode(get("/", fields), framing) } == expected)
            #expect(kind { try encode(HTTPResponse(status: .ok, headerFields: fields), framing) } == expected)
        }
        #expect(
            try encode(get("/", [.contentLength: "5"]), .length(5)).hasSuffix("Host: a\r\nContent-Length: 5\r\n\r\n")
        )
        #expect(try encode(get("/", [.transferEncoding: "Chunked"]), .chunked).hasSuffix("Encoding: Chunked\r\n\r\n"))
        let notModified = HTTPResponse(status: .notModified, headerFields: [.contentLength: "5"])
        #expect(try encode(notModified, .none).contains("Content-Length: 5\r\n"))
    }

    @Test func trailersMayNotFrame() {
        var output: [UInt8] = []
        for name in [HTTPField.Name.contentLength, .transferEncoding, .host] {
            #expect(throws: HTTPEncodingError.self) {
                try HTTPEncoder.appendLastChunk(trailers: [name: "5"], to: &output)
            }
        }
        #expect(output.isEmpty)
    }

    @Test func numbersAreWrittenWithoutStrings() {
        for value in [0, 1, 9, 10, 15, 16, 99, 100, 255, 256, 4095, 4096, 65_535, 1 << 32, Int.max] {
            var output: [UInt8] = []
            output.append(atMost: 48) { writer in
                writer.write(decimal: value)
                writer.write(" ")
                writer.write(hexadecimal: value)
            }
            #expect(String(decoding: output, as: UTF8.self) == "\(value) \(String(value, radix: 16))")
        }
    }

    @Test func whatIsSentIsWhatIsReceived() throws {
        var output: [UInt8] = []
        let fields: HTTPFields = [.host: "a:81", .accept: "*/*", .cookie: "é", .accept: "", .userAgent: "x\ty"]
        let sent = HTTPRequest(method: .put, scheme: nil, authority: "a:81", path: "/b?c", headerFields: fields)
        try HTTPEncoder.appendRequestHead(sent, framing: .chunked, connection: .close, to: &output)
        HTTPEncoder.appendChunkHeader(size: 26, to: &output)
        output += Array("abcdefghijklmnopqrstuvwxyz".utf8)
        HTTPEncoder.appendChunkEnd(to: &output)
        try HTTPEncoder.appendLastChunk(trailers: [.eTag: "z"], to: &output)
        let observed = observe(output, .request)
        var received = try #require(observed.requests.first)
        #expect(received.framing == .chunked)
        #expect(!received.keepAlive)
        received.request.headerFields[.transferEncoding] = nil
        received.request.headerFields[.connection] = nil
        #expect(received.request == sent)
        #expect(observed.bodies == ["abcdefghijklmnopqrstuvwxyz"])
        #expect(observed.trailers == [[.eTag: "z"]])

        output = []
        let answer = HTTPResponse(status: .init(code: 201, reasonPhrase: "Mädé"), headerFields: [.location: "/x"])
        try HTTPEncoder.appendResponseHead(answer, framing: .length(2), to: &output)
        let head = try #require(observe(output + [1, 2], .response).responses.first)
        #expect(head.response.status.description == "201 Mädé")
        #expect(head.response.headerFields == [.location: "/x", .contentLength: "2"])
    }
}
