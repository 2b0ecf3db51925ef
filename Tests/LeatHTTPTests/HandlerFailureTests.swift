import Leat
import LeatHTTP
import Testing

@Suite(.timeLimit(.minutes(2)))
struct HandlerFailureTests {
    private struct Unexpected: Error {}

    /// The status and whether somebody has to be told.
    private func answer(_ error: (any Error)?, requestBodyFailed: Bool = false) -> String {
        guard let error else { return "nothing was thrown" }
        let failure = HandlerFailure(error, requestBodyFailed: requestBodyFailed)
        return "\(failure.response.status.code)\(failure.isServerFault ? " reported" : "")"
    }

    @Test func aThrownStatusIsTheResponse() {
        let plain = HandlerFailure(HTTPStatusError(.notFound))
        #expect(plain.response.status == .notFound && !plain.isServerFault)
        #expect(plain.response.body.length == 0 && plain.response.body.contentType == nil)

        let error = HTTPStatusError(.conflict, "the name is taken", headerFields: [.retryAfter: "1"])
        #expect("\(error)" == "409 Conflict: the name is taken" && "\(HTTPStatusError(.gone))" == "410 Gone")
        let told = HandlerFailure(error)
        #expect(told.response.status == .conflict && told.response.headerFields[.retryAfter] == "1")
        #expect(told.response.body.contentType == "text/plain; charset=utf-8")
        guard case .bytes(let bytes) = told.response.body.content else {
            Issue.record("no bytes")
            return
        }
        #expect(bytes == Array("the name is taken".utf8))
    }

    @Test(arguments: [100, 101, 0, 1000, -1])
    func aStatusThatNoResponseCanHaveIsAFaultOfTheServer(_ code: Int) {
        #expect(answer(HTTPStatusError(.init(code: code))) == "500 reported")
    }

    @Test func aStatusOfTheServersOwnChoiceIsNoFault() {
        #expect(answer(HTTPStatusError(.serviceUnavailable)) == "503")
        #expect(answer(HTTPStatusError(.seeOther, headerFields: [.location: "/"])) == "303")
    }

    @Test func whatTheClientSentWrongIsSaidToIt() {
        #expect(answer(HTTPError(.bodyTooLarge, "")) == "413")
        #expect(answer(HTTPError(.compressionRatio, "")) == "413")
        #expect(answer(HTTPError(.lineTooLong, "")) == "413")
        #expect(answer(HTTPError(.malformed, "")) == "400")
        #expect(answer(HTTPError(.incomplete, "")) == "400")
        #expect(answer(HTTPError(.contentCoding, "")) == "400")
        #expect(answer(HTTPError(.unknownCharset, "")) == "415")
        #expect(answer(HTTPError(timeout: .read, limit: .seconds(1), elapsed: .seconds(2))) == "408")
        let context = DecodingError.Context(codingPath: [], debugDescription: "")
        #expect(answer(DecodingError.dataCorrupted(context)) == "400")
    }

    @Test func allElseIsAFaultOfTheServer() {
        #expect(answer(Unexpected()) == "500 reported")
        #expect(answer(CancellationError()) == "500 reported")
        #expect(answer(HTTPError(.connect, "")) == "500 reported")
        #expect(answer(HTTPError(.libraryUnavailable, "")) == "500 reported")
    }

    @Test func anErrorOfAClientIsNotAboutTheRequest() {
        let upstream = HTTPError(.bodyTooLarge, "").asUpstream
        #expect(answer(upstream) == "500 reported")
        // It has passed through a client, which was sending the body of the request on.
        #expect(answer(upstream, requestBodyFailed: true) == "413")
    }

    @Test func aBodyThatIsNotDecodedIsTheFaultOfWhoSentIt() throws {
        try runHTTPLoop {
            let request = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/")
            let ours = await #expect(throws: HTTPContentError.self) {
                try await request.decode(String.self, from: .empty, with: QuotedText(), upTo: 1)
            }
            #expect(self.answer(ours) == "415")
            for status: HTTPResponse.Status in [.ok, .unsupportedMediaType] {
                let response = HTTPClientResponse(status: status, headerFields: [:], body: [], url: "http://h.test/")
                let theirs = #expect(throws: HTTPContentError.self) {
                    try response.decode(String.self, with: QuotedText())
                }
                #expect(self.answer(theirs) == "500 reported")
            }
        }
    }

    @Test func whatAClientThrowsIsMarked() throws {
        try runHTTPLoop {
            let klingon = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=klingon\r\nContent-Length: 2\r\n\r\nok"
            let server = try ScriptedServer([["HTTP/1.1 nonsense\r\n\r\n"], [ok], [ok], [klingon]])
            let client = HTTPClient()
            let malformed = await #expect(throws: HTTPError.self) { try await client.get(server.url) }
            let large = await #expect(throws: HTTPError.self) { try await client.request(.get, server.url, upTo: 1) }
            let streamed = await #expect(throws: HTTPError.self) {
                try await client.perform(HTTPClientRequest(.get, server.url)) { _, body in
                    try await body.collect(upTo: 1)
                }
            }
            let response = try await client.get(server.url)
            let charset = #expect(throws: HTTPError.self) { try response.text() }
            #expect(malformed?.kind == .malformed && large?.kind == .bodyTooLarge && streamed?.kind == .bodyTooLarge)
            for error in [malformed, large, streamed, charset] {
                #expect(self.answer(error) == "500 reported")
            }
        }
    }
}
