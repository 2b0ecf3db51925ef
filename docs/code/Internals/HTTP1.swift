import Leat
import LeatHTTP

private let getResponse: [String] = [
    "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "6\r\nHello \r\n",
    "6\r\nworld!\r\n",
    "0\r\nChecksum: 1b851995\r\n\r\n",
]
private let headResponse = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"
private let bothResponses = Array((getResponse.joined() + headResponse).utf8)

/// Chapter "HTTP/1.1 byte by byte": two requests on one connection, as bytes, and the walk of the parser over the responses.
func http1() throws {
    try EventLoop.run {
        let listener = try TCPListener.bind(to: .loopback(port: 0))
        async let served: Void = serve(listener)
        var configuration = HTTPClient.Configuration()
        configuration.decompresses = false
        let client = HTTPClient(configuration: configuration)
        let url = HTTPURL("http://127.0.0.1:\(listener.localAddress.port)/report")!
        for method in [HTTPRequest.Method.get, .head] {
            let response = try await client.request(method, url, headerFields: [.host: "example.org"])
            let checksum = response.trailers[HTTPField.Name("Checksum")!].map { ", trailer Checksum: \($0)" } ?? ""
            print("client: \(response.status), body \(response.text.debugDescription)\(checksum)")
        }
        await client.shutdown()
        try await served
    }
    print("\nthe parser, over the \(bothResponses.count) bytes of the responses:")
    try walk(bothResponses)
}

/// A server that knows one conversation, and shows it.
private func serve(_ listener: TCPListener) async throws {
    let stream = try await listener.accept()
    for response in [getResponse.joined(), headResponse] {
        var request: [UInt8] = []
        while !request.suffix(4).elementsEqual("\r\n\r\n".utf8), let piece = try await stream.read() {
            request += piece
        }
        show(request, from: "C")
        show(Array(response.utf8), from: "S")
        try await stream.write(response)
    }
    let end = try await stream.read()
    print("C  \(end == nil ? "(end of stream)" : "(more)")")
}

/// Prints bytes line by line, each with the offset at which it begins.
private func show(_ bytes: [UInt8], from sender: String) {
    var start = 0
    for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast() {
        print("\(sender) \(padded(start))  \(String(decoding: line.dropLast(), as: UTF8.self))\\r\\n")
        start += line.count + 1
    }
}

func padded(_ number: Int, to width: Int = 3) -> String {
    let digits = String(number)
    return String(repeating: " ", count: max(0, width - digits.utf8.count)) + digits
}

/// Prints what each call of the parser finds, and which bytes it has used up.
private func walk(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { bytes in
        var parser = HTTPParser(role: .response)
        var position = 0
        parser.expectResponse(to: .get)
        while position < bytes.count || !parser.isIdle {
            let start = position
            let event = try parser.parse(bytes, consumed: &position)
            print("\(padded(start)) … \(padded(position))  ", terminator: "")
            switch event {
            case .head:
                let head = parser.takeResponseHead()
                print("head: \(head.response.status.code), \(head.isInterim ? "interim" : "body: \(head.framing)")")
            case .body(let range):
                print("body: \(String(decoding: bytes[range], as: UTF8.self).debugDescription) at \(range)")
            case .end:
                print("end, \(parser.takeTrailers().count) trailer fields")
                parser.expectResponse(to: .head)
            case .needMore:
                print("needs more")
            }
        }
    }
}

// MARK: - Splits

/// What came out, with neighbouring pieces of a body joined: that they are pieces is all that a split may change.
private func events(_ bytes: [UInt8], as role: HTTPParser.Role, cuts: [Int]) -> [String] {
    bytes.withUnsafeBytes { bytes in
        var (parser, position, body, found) = (HTTPParser(role: role), 0, "", [String]())
        for cut in cuts + [bytes.count] {
            let received = UnsafeRawBufferPointer(rebasing: bytes[..<cut])
            do throws(HTTPParseError) {
                reading: while true {
                    switch try parser.parse(received, consumed: &position) {
                    case .needMore: break reading
                    case .body(let range): body += String(decoding: received[range], as: UTF8.self)
                    case .head where role == .response: found.append("\(parser.takeResponseHead())")
                    case .head: found.append("\(parser.takeRequestHead())")
                    case .end:
                        found += [body, "\(parser.takeTrailers().map(\.description))"]
                        body = ""
                    }
                }
            } catch {
                return found + [body, "\(error)"]
            }
        }
        return found + [body]
    }
}

/// Every way to receive some messages in two reads, and the way one octet at a time.
func http1Splits() {
    let chunked = "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    for (name, role, text) in [
        (
            "the two responses", .response,
            String(decoding: bothResponses.dropLast(headResponse.utf8.count), as: UTF8.self)
        ),
        ("two pipelined requests", .request, chunked + "2\r\nhi\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n"),
        ("a chunk that ends wrongly", .request, chunked + "2\r\nhiXX0\r\n\r\n"),
    ] as [(String, HTTPParser.Role, String)] {
        let bytes = Array(text.utf8)
        let whole = events(bytes, as: role, cuts: [])
        let splits = (1..<bytes.count).map { [$0] } + [Array(1..<bytes.count)]
        let same = splits.count { events(bytes, as: role, cuts: $0) == whole }
        print("\(name), \(bytes.count) bytes: \(splits.count) ways to split, \(same) with the same events")
    }
}
