import LeatHTTP
import Testing

@Suite struct ParserResponseTests {
    @Test(arguments: Corpus.badResponses)
    func aMalformedResponseIsRefused(_ input: ParserCase) {
        #expect(observe(input.bytes, .response).failure?.kind == input.failure)
    }

    @Test(arguments: Corpus.goodResponses)
    func aWellFormedResponseIsAccepted(_ input: ParserCase) {
        #expect(observe(input.bytes, .response).failure == nil)
    }

    /// Values are looked at in words, and their ends in words that begin before them.
    @Test func aControlCharacterIsFoundWhereverItStands() {
        for nameLength in 1...9 {
            for valueLength in 1...20 {
                let line = String(repeating: "n", count: nameLength) + ":" + String(repeating: "v", count: valueLength)
                for (place, isFit) in [
                    (0, false), (valueLength / 2, false), (valueLength - 1, false), (valueLength / 2, true),
                ] {
                    var bytes = Array("HTTP/1.1 200 OK\r\n\(line)x\r\n\r\n".utf8)
                    let offset = nameLength + 1 + place
                    bytes[17 + offset] = isFit && place > 0 ? 0x09 : isFit ? 0x80 : 0x01
                    let failure = observe(bytes, .response).failure
                    #expect(failure?.kind == (isFit ? nil : .invalidFieldValue), "\(line) at \(offset)")
                    if !isFit { #expect(failure?.offset == offset) }
                }
            }
        }
    }

    @Test func theHeadHoldsWhatWasSent() throws {
        let head = try #require(response("HTTP/1.1 404 Nowhere\r\nContent-Length: 2\r\nA: b\r\n\r\nno").responses.first)
        #expect(head.response.status == .notFound)
        #expect(head.response.status.reasonPhrase == "Nowhere")
        #expect(head.response.headerFields[HTTPField.Name("a")!] == "b")
        #expect(head.framing == .length(2))
        #expect(head.keepAlive)
        #expect(!head.isInterim)
    }

    @Test func aResponseToHeadHasNoBody() {
        let observed = response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", answering: .head)
        #expect(observed.responses.map(\.framing) == [.none])
        #expect(observed.trailers.count == 1)
        let chunked = response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", answering: .head)
        #expect(chunked.responses.map(\.framing) == [.none])
    }

    @Test func anInterimResponseKeepsTheExpectation() {
        let observed = response(
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            answering: .head
        )
        #expect(observed.responses.map(\.isInterim) == [true, false])
        #expect(observed.responses.map(\.framing) == [.none, .none])
    }

    @Test func successfulConnectMakesATunnel() {
        let opened = response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nraw", answering: .connect)
        #expect(opened.responses.map(\.framing) == [.tunnel])
        #expect(opened.last == .unconsumed(3))
        let refused = response("HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nraw", answering: .connect)
        #expect(refused.responses.map(\.framing) == [.length(3)])
    }

    @Test func switchingProtocolsLeavesTheRestAlone() {
        let observed = response("HTTP/1.1 101 Switching Protocols\r\n\r\n\u{1}\u{2}\n")
        #expect(observed.responses.map(\.framing) == [.tunnel])
        #expect(observed.responses.map(\.keepAlive) == [false])
        #expect(observed.responses.map(\.isInterim) == [false])
        #expect(observed.last == .unconsumed(3))
    }

    @Test func aBodyWithoutLengthEndsWithTheConnection() {
        let observed = response("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\nabc")
        #expect(observed.responses.map(\.framing) == [.untilClose])
        #expect(observed.responses.map(\.keepAlive) == [false])
        #expect(observed.bodies == ["abc"])
        #expect(observed.contains(.finish(.endOfBody)))
    }

    @Test func aStatusWithoutBodyIgnoresTheFramingFields() {
        for code in [204, 304] {
            let observed = response("HTTP/1.1 \(code) X\r\nContent-Length: 5\r\n\r\n")
            #expect(observed.responses.map(\.framing) == [.none])
            #expect(observed.failure == nil)
        }
    }

    @Test func anIdleConnectionClosesCleanly() {
        #expect(response("") == [.finish(.idle), .unconsumed(0)])
    }

    @Test func octetsBeyondTheMessageStayUnconsumed() throws {
        var parser = HTTPParser(role: .response)
        let bytes = Array("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP".utf8)
        var position = 0
        var events: [HTTPParser.Event] = []
        try bytes.withUnsafeBytes { bytes in
            events.append(try parser.parse(bytes, consumed: &position))
            _ = parser.takeResponseHead()
            events.append(try parser.parse(bytes, consumed: &position))
            events.append(try parser.parse(bytes, consumed: &position))
        }
        #expect(events == [.head, .body(38..<40), .end])
        #expect(position == 40)
        #expect(parser.isIdle)
    }
}
