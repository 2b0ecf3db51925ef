import LeatHTTP
import Testing

@Suite struct MessagesURLTests {
    struct Good: Sendable {
        var text, scheme, host: String
        var port: UInt16
        var authority, path: String
    }

    @Test(arguments: [
        Good(text: "http://a", scheme: "http", host: "a", port: 80, authority: "a", path: "/"),
        Good(text: "HTTPS://Ex.COM/A", scheme: "https", host: "ex.com", port: 443, authority: "ex.com", path: "/A"),
        Good(text: "http://a:80/", scheme: "http", host: "a", port: 80, authority: "a", path: "/"),
        // An empty port is none (RFC 3986 §6.2.3).
        Good(text: "http://a:", scheme: "http", host: "a", port: 80, authority: "a", path: "/"),
        Good(text: "https://a:/x", scheme: "https", host: "a", port: 443, authority: "a", path: "/x"),
        Good(text: "http://[::1]:?x", scheme: "http", host: "::1", port: 80, authority: "[::1]", path: "/?x"),
        Good(text: "https://a:80/", scheme: "https", host: "a", port: 80, authority: "a:80", path: "/"),
        Good(text: "http://a:65535?x", scheme: "http", host: "a", port: 65535, authority: "a:65535", path: "/?x"),
        Good(text: "http://a?x#y", scheme: "http", host: "a", port: 80, authority: "a", path: "/?x"),
        Good(text: "http://a#y?z", scheme: "http", host: "a", port: 80, authority: "a", path: "/"),
        Good(text: "http://[::1]:81/x", scheme: "http", host: "::1", port: 81, authority: "[::1]:81", path: "/x"),
        Good(
            text: "http://[2001:DB8::1]",
            scheme: "http",
            host: "2001:db8::1",
            port: 80,
            authority: "[2001:db8::1]",
            path: "/"
        ),
        Good(
            text: "http://127.0.0.1:8080//x",
            scheme: "http",
            host: "127.0.0.1",
            port: 8080,
            authority: "127.0.0.1:8080",
            path: "//x"
        ),
        Good(
            text: "http://a_b/%20%zz?q={}|\"\\^",
            scheme: "http",
            host: "a_b",
            port: 80,
            authority: "a_b",
            path: "/%20%zz?q={}|\"\\^"
        ),
        Good(text: "http://a/@b:c", scheme: "http", host: "a", port: 80, authority: "a", path: "/@b:c"),
    ])
    func aURLIsTakenApart(_ good: Good) throws {
        let url = try HTTPURL(parsing: good.text)
        #expect(url.scheme == good.scheme)
        #expect(url.host == good.host)
        #expect(url.port == good.port)
        #expect(url.authority == good.authority)
        #expect(url.path == good.path)
        #expect(try HTTPURL(parsing: url.description) == url)
    }

    @Test(arguments: [
        ("", 0), ("a", 0), ("/a", 0), ("ftp://a", 0), ("http:/a", 0), ("http:a", 0), (" http://a", 0), ("ws://a", 0),
        ("http://", 7), ("http:///a", 7), ("http://:80", 7), ("http://:", 7), ("http://?x", 7),
        ("http://u@a", 8), ("http://u:p@a/", 10), ("http://@a", 7), ("http://a.com\\@b", 13), ("http://a:80@b", 11),
        ("http://a b/", 8), ("http://a\\b", 8), ("http://é/", 7), ("http://a\u{0}", 8), ("http://a%20b", 8),
        ("http://a\r\n", 8),
        ("http://a:0", 9), ("http://a::", 9), ("http://a:65536", 9), ("http://a:+80", 9), ("http://a:8x", 9),
        ("http://a:-1", 9), ("http://a:99999999999999999999", 9), ("http://a:８０", 9),
        ("http://[::1", 7), ("http://[::1]x", 12), ("http://[]", 7), ("http://[::g]", 7),
        ("http://[fe80::1%25eth0]", 7),
        ("http://[1.2.3.4]", 7), ("http://[::1]::", 13), ("http://::1", 7), ("http://a:@b", 9),
        ("http://a/b c", 10), ("http://a/b\r\nX: y", 10), ("http://a/b\u{0}", 10), ("http://a/é", 9),
        ("http://a/\u{7f}", 9),
        ("http://a/b#c\r\nX: y", 12), ("http://a/\t", 9), ("http://a/ ", 9),
    ])
    func aBadURLIsRefusedWithTheOffset(_ text: String, _ offset: Int) {
        do throws(HTTPURL.ParseError) {
            let url = try HTTPURL(parsing: text)
            Issue.record("\(text) gave \(url)")
        } catch {
            #expect(error.offset == offset, "\(error)")
        }
        #expect(HTTPURL(text) == nil)
    }

    @Test func theErrorSaysWhatToDo() {
        #expect {
            try HTTPURL(parsing: "http://me:secret@a/")
        } throws: { error in
            "\(error)" == "invalid URL: it has a user name or password before the host; "
                + "send an Authorization field instead (at octet 16)"
        }
    }

    @Test func equalityIgnoresHowTheURLWasWritten() {
        #expect(HTTPURL("HTTP://A:80") == "http://a/")
        #expect(HTTPURL("HTTP://A:") == "http://a/")
        #expect(HTTPURL("http://a") != "https://a")
        #expect(HTTPURL("http://a:443") != "https://a")
        #expect(Set(["http://a", "http://A/#x"] as [HTTPURL]).count == 1)
    }
}
