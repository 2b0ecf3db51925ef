import LeatHTTP
import Testing

@Suite struct ParserRequestTests {
    @Test(arguments: Corpus.badRequests)
    func aMalformedRequestIsRefused(_ input: ParserCase) {
        #expect(observe(input.bytes, .request).failure?.kind == input.failure)
    }

    @Test(arguments: Corpus.goodRequests)
    func aWellFormedRequestIsAccepted(_ input: ParserCase) {
        let observed = observe(input.bytes, .request)
        #expect(observed.failure == nil)
        #expect(observed.suffix(2) == [.finish(.idle), .unconsumed(0)])
    }

    @Test func theHeadHoldsWhatWasSent() throws {
        let head = try #require(
            request(
                "POST /a?b=%20 HTTP/1.1\r\nhOST: example.com:80\r\nX-One: 1\r\nx-one:\t2 \r\nContent-Length: 3\r\n\r\nabc"
            )
            .requests.first
        )
        #expect(head.request.method == .post)
        #expect(head.request.path == "/a?b=%20")
        #expect(head.request.authority == "example.com:80")
        #expect(head.request.scheme == nil)
        #expect(head.version == .http11)
        #expect(head.framing == .length(3))
        #expect(head.keepAlive)
        #expect(!head.expectsContinue)
        #expect(head.request.headerFields.map(\.name.rawName) == ["hOST", "X-One", "x-one", "Content-Length"])
        #expect(head.request.headerFields[values: HTTPField.Name("X-ONE")!] == ["1", "2"])
    }

    @Test func pipelinedRequestsComeOneByOne() {
        let observed = observe(Corpus.goodRequests.last!.bytes, .request)
        #expect(observed.requests.map(\.request.path) == ["/1", "/2", "/3", "/4"])
        #expect(observed.requests.map(\.framing) == [.none, .length(3), .chunked, .none])
        #expect(observed.requests.map(\.keepAlive) == [true, true, true, false])
        #expect(observed.bodies == ["abc", "ab"])
    }

    @Test func theAuthorityOfAnAbsoluteTargetWinsOverHost() throws {
        let head = try #require(request("GET HTTPS://b:81?q HTTP/1.1\r\nHost: a\r\n\r\n").requests.first)
        #expect(head.request.authority == "b:81")
        #expect(head.request.scheme == "https")
        #expect(head.request.path == "HTTPS://b:81?q")
        let connect = try #require(request("CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n").requests.first)
        #expect(connect.request.authority == "b:443")
    }

    @Test(arguments: [
        ("HTTP/1.1\r\nHost: a", true), ("HTTP/1.1\r\nHost: a\r\nConnection: close", false),
        ("HTTP/1.1\r\nHost: a\r\nConnection: x , CLOSE", false), ("HTTP/1.1\r\nHost: a\r\nConnection: closed", true),
        ("HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close", false), ("HTTP/1.0\r\nHost: a", false),
        ("HTTP/1.0\r\nConnection: Keep-Alive", true), ("HTTP/1.0\r\nConnection: keep-alive, close", false),
    ])
    func persistenceFollowsTheVersionAndConnection(_ rest: String, _ keepAlive: Bool) {
        #expect(request("GET / \(rest)\r\n\r\n").requests.map(\.keepAlive) == [keepAlive])
    }

    @Test func anExpectationIsReportedInHTTP11Only() {
        let fields = "Host: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx"
        #expect(request("PUT / HTTP/1.1\r\n\(fields)").requests.map(\.expectsContinue) == [true])
        #expect(request("PUT / HTTP/1.0\r\n\(fields)").requests.map(\.expectsContinue) == [false])
    }

    @Test func anUpgradeNeedsBothFields() {
        func offers(_ fields: String) -> Bool? {
            request("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n").requests.first?.offersUpgrade
        }
        #expect(offers("Upgrade: websocket\r\nConnection: keep-alive, Upgrade") == true)
        #expect(offers("Upgrade: websocket") == false)
        #expect(offers("Connection: upgrade") == false)
    }

    @Test func trailersAreDeliveredApart() {
        let observed = request(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\nDigest: z\r\n\r\n"
        )
        #expect(observed.trailers == [[HTTPField.Name("digest")!: "z"]])
        #expect(observed.requests.first?.request.headerFields.count == 2)
    }

    @Test func anErrorSaysWhatAndWhereAndHowToAnswer() throws {
        let value = try #require(request("GET / HTTP/1.1\r\nHost: a\r\nX-Foo: a\u{1}b\r\n\r\n").failure)
        #expect(value.place == .field)
        #expect(value.number == 3)
        #expect(value.offset == 8)
        #expect(value.fieldName == "X-Foo")
        #expect(
            "\(value)"
                == "a field value contains a control character (field “X-Foo” in line 3 of the head, octet 8)"
        )
        #expect(value.suggestedStatus == .badRequest)
        let status: [(String, HTTPResponse.Status)] = [
            ("GET / HTTP/2.0\r\n", .httpVersionNotSupported),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n", .notImplemented),
            ("GET /\(String(repeating: "a", count: 17_000)) HTTP/1.1\r\n", .uriTooLong),
            ("GET / HTTP/1.1\r\nX: \(String(repeating: "a", count: 17_000))\r\n", .requestHeaderFieldsTooLarge),
        ]
        for (text, status) in status { #expect(request(text).failure?.suggestedStatus == status) }
    }

    @Test func aRefusedConnectionStaysRefused() {
        var parser = HTTPParser(role: .request)
        var position = 0
        let bad: [UInt8] = [0x16]
        for expected in [HTTPParseError.Kind.unexpectedStart, .failedBefore] {
            let failure = bad.withUnsafeBytes { bad in
                #expect(throws: HTTPParseError.self) { _ = try parser.parse(bad, consumed: &position) }
            }
            #expect(failure?.kind == expected)
        }
        #expect(throws: HTTPParseError.self) { try parser.finish() }
    }

    @Test func theStateOfAnIdleParserIsSmall() {
        #expect(MemoryLayout<HTTPParser>.size <= 160)
    }
}
