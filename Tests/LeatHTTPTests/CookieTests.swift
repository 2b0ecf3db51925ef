import Leat
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@testable import LeatHTTP

@Suite(.timeLimit(.minutes(5)))
struct CookieTests {
    private let jar = CookieJar(now: { 1_000_000_000 })

    private func set(_ cookies: String..., at url: HTTPURL) {
        jar.store(HTTPFields(cookies.map { HTTPField(name: .setCookie, value: $0) }), from: url)
    }

    // MARK: Dates

    @Test(arguments: [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777), ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
        ("Sun Nov  6 08:49:37 1994", 784_111_777), ("06 nov 1994 8:49:37", 784_111_777), ("1:2:3 1 Jan 70", 3723),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Wed, 29 Feb 2096 12:00:00 GMT", 3_981_355_200),
        ("Fri, 31 Dec 1999 23:59:60 GMT", nil), ("tomorrow", nil), ("", nil), ("32 Jan 2020 00:00:00", nil),
        ("1 Jan 1600 00:00:00", nil), ("1 Foo 2020 00:00:00", nil), ("1 Jan 2020", nil),
    ])
    func aDateIsReadInEveryForm(text: String, expected: Int?) {
        #expect(CookieDate.parse(text[...]) == expected)
    }

    // MARK: Where they go

    @Test func aCookieGoesBackToItsHostAndNoOther() {
        set("a=1", "b=2; Domain=example.com", "c=3; Domain=.www.example.com", at: "http://www.example.com/")
        #expect(jar.header(for: "http://www.example.com/") == "a=1; b=2; c=3")
        #expect(jar.header(for: "http://example.com/") == "b=2")
        #expect(jar.header(for: "http://other.example.com/x") == "b=2")
        #expect(jar.header(for: "http://a.www.example.com/") == "b=2; c=3")
        #expect(jar.header(for: "http://badexample.com/") == nil)
        #expect(jar.header(for: "http://example.com.evil.test/") == nil)
    }

    @Test func aDotAtTheEndMakesNoSecondLabel() {
        // CVE-2022-27779 in curl.
        set("a=1; Domain=com.", "b=2; Domain=.com.", "c=3; Domain=example.com.", at: "http://www.example.com./")
        #expect(jar.header(for: "http://other.com./") == nil)
        #expect(jar.header(for: "http://example.com./") == "c=3")
    }

    @Test(arguments: [
        "a=1; Domain=com", "a=1; Domain=other.com", "a=1; Domain=w.www.example.com", "a=1; Secure", "=1", "noequals",
        "",
        "__Secure-a=1", "__Host-a=1; Secure; Path=/", "a=1\u{1}", "a=b\r\nX: y", "a\tb=1", "a=b\tc", "a=1; Path=/\t/",
    ])
    func whatMayNotBeSetIsIgnored(text: String) {
        if let cookie = Cookie(setCookie: text, from: "http://www.example.com/", now: 0) {
            Issue.record("\(cookie)")
        }
    }

    @Test func aCookieIsReadByOctets() throws {
        // A combining mark makes one character of what stands before it.
        let mark = "\u{301}"
        let cookie = try #require(
            Cookie(setCookie: "a=\(mark)b;\(mark)c; Path=/\(mark)", from: "http://h.test/", now: 0)
        )
        #expect(cookie.name == "a" && cookie.value == "\(mark)b" && cookie.path == "/\(mark)")
        #expect(Cookie(setCookie: "__Host-\(mark)=b", from: "http://h.test/", now: 0) == nil)
        // Not a semicolon, although Unicode holds it for the same.
        #expect(Cookie(setCookie: "a\u{37E}b=c", from: "http://h.test/", now: 0)?.name == "a\u{37E}b")
        set("a\u{37E}=\(mark)b;\(mark)", at: "http://h.test/")
        let copy = CookieJar(now: { 0 })
        try copy.load(jar.text)
        #expect(copy.header(for: "http://h.test/") == "a\u{37E}=\(mark)b")
    }

    @Test func prefixesAreHonouredOverHTTPS() {
        let url: HTTPURL = "https://www.example.com/"
        #expect(Cookie(setCookie: "__Secure-a=1; Secure", from: url, now: 0) != nil)
        #expect(Cookie(setCookie: "__Host-a=1; Secure; Path=/", from: url, now: 0) != nil)
        #expect(Cookie(setCookie: "__Host-a=1; Secure; Path=/x", from: url, now: 0) == nil)
        #expect(Cookie(setCookie: "__Host-a=1; Secure; Path=/; Domain=example.com", from: url, now: 0) == nil)
    }

    @Test func anAddressHasNoDomains() {
        set("a=1; Domain=0.0.1", "b=2; Domain=127.0.0.1", at: "http://127.0.0.1/")
        #expect(jar.header(for: "http://127.0.0.1/") == "b=2")
        #expect(jar.header(for: "http://1.127.0.0.1/") == nil)
    }

    @Test func aPathIsMatchedByItsSegments() {
        set("a=1; Path=/x", "b=2; Path=/x/y", "c=3", "d=4; Path=relative", at: "http://h.test/x/y/z?q=/w")
        #expect(jar.header(for: "http://h.test/x/y/z") == "b=2; c=3; d=4; a=1")
        #expect(jar.header(for: "http://h.test/x") == "a=1")
        #expect(jar.header(for: "http://h.test/xy") == nil)
        #expect(jar.header(for: "http://h.test/x?/y") == "a=1")
        #expect(jar.header(for: "http://h.test/") == nil)
    }

    @Test func aSecureCookieIsNeverSentInTheOpen() {
        set("a=1; Secure; HttpOnly; SameSite=Lax", "b=2", at: "https://h.test/")
        #expect(jar.header(for: "https://h.test/") == "a=1; b=2")
        #expect(jar.header(for: "http://h.test/") == "b=2")
        #expect(jar.cookies.first?.isHTTPOnly == true && jar.cookies.first?.sameSite == "Lax")
    }

    // MARK: How long they last

    /// Whoever can alter the open connection must not choose the cookies of the other (RFC 6265bis §5.7).
    @Test func aSecureCookieIsNotReplacedInTheOpen() {
        set("a=1; Secure; Domain=example.com; Path=/x", at: "https://www.example.com/")
        set("a=2; Path=/x/y", at: "http://www.example.com/")
        set("a=3; Path=/x; Domain=example.com", at: "http://www.example.com/")
        set("a=4; Path=/", "b=5", at: "http://www.example.com/")
        #expect(jar.header(for: "https://www.example.com/x/y") == "a=1; a=4; b=5")
        set("a=6; Domain=example.com; Path=/x", at: "https://www.example.com/")
        #expect(jar.header(for: "http://www.example.com/x/y") == "a=6; a=4; b=5")
    }

    @Test func theFieldIsBounded() {
        for number in 0..<20 { set("\(number)=" + String(repeating: "v", count: 1000), at: "http://h.test/") }
        let header = jar.header(for: "http://h.test/")!
        #expect(header.utf8.count <= 8190 && header.split(separator: ";").count == 8)
    }

    @Test func cookiesExpireAndAreTakenBack() {
        let url: HTTPURL = "http://h.test/"
        set("old=1; Max-Age=0", "past=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT", "a=1; Max-Age=10", at: url)
        set("b=2; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Max-Age=10", "c=3; Max-Age=99999999999999999999", at: url)
        #expect(jar.header(for: url) == "a=1; b=2; c=3")
        set("a=x", at: url)
        #expect(jar.header(for: url) == "a=x; b=2; c=3")
        set("a=; Max-Age=-1", at: url)
        #expect(jar.header(for: url) == "b=2; c=3")
    }

    @Test func aJarIsBounded() {
        for number in 0..<60 { set("n\(number)=1", at: "http://h.test/") }
        #expect(jar.cookies.count == 50 && jar.cookies.first?.name == "n10")
        for host in 0..<3020 { set("a=1", at: HTTPURL("http://h\(host).test/")!) }
        #expect(jar.cookies.count == 3000)
        set("big=" + String(repeating: "x", count: 4096), at: "http://h.test/")
        #expect(!jar.cookies.contains { $0.name == "big" })
    }

    // MARK: Text

    @Test func aJarSurvivesAsText() throws {
        set(
            "a=1; Path=/x; Max-Age=5",
            "b=2; Domain=example.com; HttpOnly; Secure",
            "c=",
            at: "https://www.example.com/"
        )
        let copy = CookieJar(now: { 1_000_000_000 })
        try copy.load(jar.text)
        #expect(copy.cookies == jar.cookies)
        #expect(copy.header(for: "https://www.example.com/x") == "a=1; b=2; c=")
        for line in [
            "nonsense", "h\tTRUE\t/\tTRUE\t0\ta", "h\tTRUE\tx\tTRUE\t0\ta\tb", "h\tTRUE\t/\tTRUE\t0\ta\tb\u{1}",
        ] {
            #expect(throws: HTTPError.self) { try copy.load("# fine\n" + line) }
        }
    }

    @Test(arguments: ["", ".", "..h", ".#h", "h/", "h h", "é"])
    func aLineForNoHostIsRefused(domain: String) {
        #expect(throws: HTTPError.self) { try jar.load(domain + "\tTRUE\t/\tTRUE\t0\ta\tb") }
    }

    @Test func aTextMayHaveTheLineEndsOfAnotherSystem() throws {
        try jar.load("# Netscape HTTP Cookie File\r\n\r\nh.test\tFALSE\t/\tFALSE\t0\ta\tb\r\n")
        #expect(jar.header(for: "http://h.test/") == "a=b")
    }

    @Test func aHostThatBeginsWithADotSetsNothing() {
        // In a text it would come back as the host without it.
        set("a=1", at: "http://.h.test/")
        #expect(jar.cookies.isEmpty)
    }

    // MARK: With a client

    @Test func aClientKeepsThemAcrossRedirects() throws {
        try runHTTPLoop {
            let login =
                "HTTP/1.1 302 X\r\nSet-Cookie: session=s; Path=/\r\nLocation: /path\r\nContent-Length: 0\r\n\r\n"
            let server = try ScriptedServer([[login, login, ok, ok]])
            var configuration = HTTPClient.Configuration()
            configuration.cookies = CookieJar()
            let client = HTTPClient(configuration: configuration)
            #expect(try await client.get(server.url).text == "ok")
            _ = try await client.get(server.url, headerFields: [.cookie: "mine=1"])
            let sent = server.requests[0].map { head in
                head.split(separator: "\r\n").first { $0.hasPrefix("Cookie:") }.map(String.init)
            }
            #expect(sent == [nil, "Cookie: session=s", "Cookie: session=s", "Cookie: mine=1"])
        }
    }
}
