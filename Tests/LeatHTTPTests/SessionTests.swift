import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@Suite(.timeLimit(.minutes(5)))
struct SessionTests {
    @Test func queryItemsAreEncodedAndAddedToWhatIsThere() {
        let url: HTTPURL = "http://h.test/p"
        #expect(url.appending(queryItems: [("a b", "c&d=é+/?#")]).path == "/p?a%20b=c%26d%3D%C3%A9%2B%2F%3F%23")
        #expect(url.appending(queryItems: []).path == "/p")
        let more: HTTPURL = "http://h.test/p?x=1"
        #expect(more.appending(queryItems: [("y", ""), ("z", "~-._")]).path == "/p?x=1&y=&z=~-._")
        let open: HTTPURL = "http://h.test/p?"
        #expect(open.appending(queryItems: [("y", "\r\nX: z")]).path == "/p?y=%0D%0AX%3A%20z")
    }

    @Test func aFormArrivesAsPythonReadsIt() throws {
        let body = HTTPBody.form([("name", "Jörg & Söhne"), ("empty", ""), ("a=b", "100% + 1")])
        guard case .bytes(let bytes) = body.content else {
            Issue.record("a form is bytes")
            return
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let read = try PythonBytes.evaluate(
            "repr(__import__('urllib.parse').parse.parse_qsl('\(text)', keep_blank_values=True)).encode()"
        )
        let expected = "[('name', 'Jörg & Söhne'), ('empty', ''), ('a=b', '100% + 1')]"
        #expect(String(decoding: read, as: UTF8.self) == expected)
    }

    @Test func aFormIsSentWithItsType() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[ok]])
            _ = try await HTTPClient().post(server.url, form: [("a", "1")])
            #expect(server.requests[0][0].contains("Content-Type: application/x-www-form-urlencoded\r\n"))
            #expect(server.requests[0][0].hasSuffix("\r\n\r\na=1"))
        }
    }

    @Test func credentialsAreEncodedOrRefused() throws {
        var fields = HTTPFields()
        // RFC 7617 §2 and §2.1.
        try fields.setBasicAuthorization(user: "Aladdin", password: "open sesame")
        #expect(fields[.authorization] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        try fields.setBasicAuthorization(user: "test", password: "123£")
        #expect(fields[.authorization] == "Basic dGVzdDoxMjPCow==")
        try fields.setBearerAuthorization("mF_9.B5f-4.1JqM==")
        #expect(fields[.authorization] == "Bearer mF_9.B5f-4.1JqM==")
        for bad in ["", "==", "a b", "a\r\nX: y", "é", "a=b"] {
            #expect(throws: HTTPError.self) { try fields.setBearerAuthorization(bad) }
        }
        for (user, password) in [("a:b", "c"), ("a\n", "c"), ("a", "\0")] {
            #expect(throws: HTTPError.self) { try fields.setBasicAuthorization(user: user, password: password) }
        }
        #expect(fields[values: .authorization].count == 1)
    }
}
