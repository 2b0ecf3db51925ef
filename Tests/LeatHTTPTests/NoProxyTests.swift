import Testing

@testable import LeatHTTP

struct NoProxyCase: CustomTestStringConvertible, Sendable {
    let list: String
    let host: String
    let port: UInt16
    let isDirect: Bool

    init(_ list: String, _ host: String, _ isDirect: Bool, port: UInt16 = 80) {
        self.list = list
        self.host = host
        self.port = port
        self.isDirect = isDirect
    }

    var testDescription: String { "\(list) \(isDirect ? "has" : "has not") \(host):\(port)" }
}

@Suite struct NoProxyTests {
    @Test(arguments: [
        // As in curl's tests of its own.
        NoProxyCase("", "www.example.com", false),
        NoProxyCase("*", "www.example.com", true),
        NoProxyCase("*", "192.0.2.1", true),
        NoProxyCase("example.com", "example.com", true),
        NoProxyCase("example.com", "www.example.com", true),
        NoProxyCase("example.com", "notexample.com", false),
        NoProxyCase("example.com", "example.com.evil", false),
        NoProxyCase("www.example.com", "example.com", false),
        NoProxyCase(".example.com", "example.com", true),
        NoProxyCase(".example.com", "www.example.com", true),
        NoProxyCase(".example.com", "notexample.com", false),
        NoProxyCase("Example.COM", "www.example.com", true),
        NoProxyCase("example.com.", "example.com", true),
        NoProxyCase("example.com", "example.com.", true),
        NoProxyCase("a, example.com", "example.com", true),
        NoProxyCase("a example.com,,b", "example.com", true),
        NoProxyCase("a\texample.com", "example.com", true),
        NoProxyCase("example", "example.com", false),
        NoProxyCase("com", "example.com", true),
        NoProxyCase(".", "example.com", false),
        NoProxyCase(",", "example.com", false),
        // Addresses.
        NoProxyCase("192.0.2.1", "192.0.2.1", true),
        NoProxyCase("192.0.2.1", "192.0.2.10", false),
        NoProxyCase("2.1", "192.0.2.1", false),
        NoProxyCase(".0.2.1", "192.0.2.1", false),
        NoProxyCase("::1", "::1", true),
        NoProxyCase("[::1]", "::1", true),
        NoProxyCase("2001:DB8:0::1", "2001:db8::1", true),
        NoProxyCase("::1", "::2", false),
        NoProxyCase("127.0.0.1", "localhost", false),
        // Networks.
        NoProxyCase("192.168.0.0/16", "192.168.77.1", true),
        NoProxyCase("192.168.0.0/16", "192.169.0.1", false),
        NoProxyCase("192.168.1.9/31", "192.168.1.8", true),
        NoProxyCase("192.168.1.9/31", "192.168.1.10", false),
        NoProxyCase("10.0.0.0/8,::1", "10.255.255.255", true),
        NoProxyCase("0.0.0.0/0", "192.0.2.1", true),
        NoProxyCase("0.0.0.0/0", "::1", false),
        NoProxyCase("192.0.2.1/32", "192.0.2.1", true),
        NoProxyCase("192.0.2.1/33", "192.0.2.1", false),
        NoProxyCase("fe80::/10", "febf::1", true),
        NoProxyCase("fe80::/10", "fec0::1", false),
        NoProxyCase("[fe80::]/10", "febf::1", true),
        NoProxyCase("192.0.2.0/x", "192.0.2.0", false),
        NoProxyCase("example.com/8", "example.com", false),
        // Ports.
        NoProxyCase("example.com:8080", "www.example.com", true, port: 8080),
        NoProxyCase("example.com:8080", "www.example.com", false, port: 80),
        NoProxyCase("192.0.2.1:443", "192.0.2.1", true, port: 443),
        NoProxyCase("192.0.2.1:443", "192.0.2.1", false, port: 80),
        NoProxyCase("[::1]:443", "::1", true, port: 443),
        NoProxyCase("[::1]:443", "::1", false, port: 80),
        NoProxyCase("*:443", "example.com", true, port: 443),
        NoProxyCase("*:443", "example.com", false, port: 80),
        NoProxyCase("example.com:x", "example.com", false),
        NoProxyCase("example.com:", "example.com", false),
        NoProxyCase("example.com:+80", "example.com", false),
        NoProxyCase("10.0.0.0/+8", "10.0.0.1", false),
        NoProxyCase("10.0.0.0/", "10.0.0.1", false),
    ])
    func theListIsReadAsCurlReadsIt(_ test: NoProxyCase) {
        #expect(NoProxyList(test.list).contains(host: test.host, port: test.port) == test.isDirect)
    }

    @Test func aURLOfAProxyIsParsed() throws {
        let plain = try HTTPProxy(parsing: "http://Proxy.Example:3128/")
        #expect(plain.host == "proxy.example" && plain.port == 3128 && plain.authorization == nil)
        #expect(try HTTPProxy(parsing: "proxy.example").port == 80)
        #expect(try HTTPProxy(parsing: "http://proxy.example:/").port == 80)
        let address = try HTTPProxy(parsing: "HTTP://[::1]:8080")
        #expect(address.host == "::1" && address.port == 8080 && address.description == "[::1]:8080")
        // "Aladdin:open sesame", the example of RFC 7617 §2, and one with the octets that have to be encoded.
        let known = try HTTPProxy(parsing: "http://Aladdin:open%20sesame@p:1")
        #expect(known.authorization == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" && "\(known)" == "p:1")
        let odd = try HTTPProxy(parsing: "ada:a%40b%3ac%2F@p:1")
        #expect(odd.authorization == "Basic " + Base64.encode(Array("ada:a@b:c/".utf8)))
        #expect(try HTTPProxy(parsing: "ada@p").authorization == "Basic " + Base64.encode(Array("ada:".utf8)))
        #expect(try HTTPProxy(parsing: "a@b:c@p").host == "p")
    }

    @Test(arguments: [
        "", "http://", "https://p:1", "socks5://p:1", "http://p:0", "http://p:65536", "http://p:1/path", "http://p?q",
        "http://p q", "http://secret:%zz@p", "http://secret:%0d%0a@p", "http://se%3acret:x@p", "http://[::1",
        "http://p%41",
        "http://secret@", "http://p\r\n",
    ])
    func aURLThatIsNoProxysIsRefused(_ text: String) {
        let error = #expect(throws: HTTPError.self) { try HTTPProxy(parsing: text) }
        #expect(error?.kind == .proxy && error?.message.contains("secret") == false)
    }

    @Test func theEnvironmentIsReadAsCurlReadsIt() throws {
        func read(_ variables: [String: String]) throws -> HTTPProxyConfiguration {
            try HTTPProxyConfiguration(environment: { variables[$0] })
        }
        #expect(try read([:]) == .none)
        // What a CGI program finds there is a field of a request.
        #expect(try read(["HTTP_PROXY": "evil:1"]) == .none)
        let both = try read([
            "http_proxy": "http://a:1", "https_proxy": "b:2", "HTTPS_PROXY": "c:3", "ALL_PROXY": "d:4",
        ])
        #expect(both.http?.host == "a" && both.https?.host == "b")
        let upper = try read(["https_proxy": "", "HTTPS_PROXY": "c:3", "all_proxy": "d:4", "ALL_PROXY": "e:5"])
        #expect(upper.http?.host == "d" && upper.https?.host == "c")
        let excepted = try read(["ALL_PROXY": "e:5", "no_proxy": "", "NO_PROXY": "x.example,10.0.0.0/8"])
        #expect(excepted.http?.host == "e" && excepted.https?.host == "e")
        #expect(excepted.proxy(for: "http://www.x.example/") == nil && excepted.proxy(for: "https://10.1.2.3/") == nil)
        #expect(excepted.proxy(for: "http://y.example/")?.host == "e")
        let error = #expect(throws: HTTPError.self) { try read(["all_proxy": "socks5://x:secret@p:1"]) }
        #expect(error?.message == "all_proxy: invalid proxy URL: socks5 proxies are not supported, only http")
    }

    /// Whatever the text is, it is read or refused.
    @Test func noTextIsTooStrange() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("a1.:/@[]%*, 0f-é\0")
        var read = 0
        for _ in 0..<20_000 {
            let text = String((0..<Int.random(in: 0...12)).map { _ in alphabet.randomElement(using: &generator)! })
            if (try? HTTPProxy(parsing: text)) != nil { read += 1 }
            if NoProxyList(text).contains(host: text, port: 80) { read += 1 }
            _ = NoProxyList(text).contains(host: "10.1.1.1", port: 80)
        }
        #expect(read > 0)
    }
}
