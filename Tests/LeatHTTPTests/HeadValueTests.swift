import Leat
import LeatHTTP
import Testing

/// Heads as values: small, and copies of each other only until they are changed.
@Suite(.timeLimit(.minutes(5)))
struct HeadValueTests {
    @Test func headsAreSmall() {
        #expect(MemoryLayout<HTTPRequest>.size == 16)
        #expect(MemoryLayout<HTTPResponse.Status>.size == 16)
        #expect(MemoryLayout<HTTPBody>.size == 9)
    }

    @Test func aChangedCopyChangesNoOther() {
        let first = HTTPRequest(method: .get, scheme: "http", authority: "a", path: "/", headerFields: [.accept: "*/*"])
        var second = first
        #expect(second.line === first.line && second == first && second.hashValue == first.hashValue)
        second.path = "/b"
        second.method = .put
        second.scheme = nil
        second.authority?.append(":1")
        #expect(first.path == "/" && first.method == .get && first.scheme == "http" && first.authority == "a")
        #expect(second.path == "/b" && second.method == .put && second.scheme == nil && second.authority == "a:1")
        #expect(second != first)
        // Its own by now: changed in place.
        let line = ObjectIdentifier(second.line)
        second.path = "/"
        second.method = .get
        second.scheme = "http"
        second.authority = "a"
        #expect(ObjectIdentifier(second.line) == line && second == first)
        second.headerFields[.accept] = "text/html"
        #expect(second != first)
    }

    @Test func theUsualPhraseFollowsTheCode() {
        var status = HTTPResponse.Status.ok
        #expect(status.hasUsualPhrase && status.reasonPhrase == "OK")
        status.code = 404
        #expect(status.hasUsualPhrase && status.description == "404 Not Found")
        status.reasonPhrase = "Nowhere"
        #expect(!status.hasUsualPhrase && status.description == "404 Nowhere")
        status.code = 410
        #expect(status.reasonPhrase == "Nowhere")
        status.reasonPhrase = "Gone"
        #expect(status.hasUsualPhrase)
        #expect(HTTPResponse.Status(code: 404, reasonPhrase: "Not Found").hasUsualPhrase)
        #expect(HTTPResponse.Status(code: 299).hasUsualPhrase && HTTPResponse.Status(code: 299).reasonPhrase == "")
        #expect(HTTPResponse.Status(code: 200, reasonPhrase: "").description == "200")
    }

    @Test func aPhraseThatOnlyLooksUsualIsKept() {
        // The sign for kelvin is equal to K, for Swift.
        let status = HTTPResponse.Status(code: 200, reasonPhrase: "O\u{212A}")
        #expect(!status.hasUsualPhrase)
        #expect(Array(status.reasonPhrase.utf8) == Array("O\u{212A}".utf8))
    }
}
