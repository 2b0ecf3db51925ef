import Leat
import LeatHTTP
import Testing

@Suite(.timeLimit(.minutes(5)))
struct URITests {
    private func uri(_ target: String, _ method: HTTPRequest.Method = .get) -> HTTPURI {
        HTTPRequest(method: method, scheme: nil, authority: nil, path: target).uri
    }

    @Test(arguments: [
        ("/", "/", "/", nil),
        ("/a/b", "/a/b", "/a/b", nil),
        ("/a?", "/a", "/a", ""),
        ("/a?b?c", "/a", "/a", "b?c"),
        ("/caf%C3%A9/%2fetc?x=%2F", "/café//etc", "/caf%C3%A9/%2fetc", "x=%2F"),
        ("//host/../a+b", "//host/../a+b", "//host/../a+b", nil),
        // Two octets of three: one replacement.
        ("/%E2%82/", "/\u{FFFD}/", "/%E2%82/", nil),
        ("http://h.test:80/p%20q?r", "/p q", "/p%20q", "r"),
        ("HTTPS://h.test?r", "/", "/", "r"),
        ("http://h.test", "/", "/", nil),
        ("*", "*", "*", nil),
        ("", "/", "/", nil),
    ])
    func aTargetIsTakenApart(_ target: String, path: String, rawPath: String, query: String?) {
        let uri = uri(target)
        #expect(uri.path == path)
        #expect(uri.rawPath == rawPath)
        #expect(uri.query == query)
        #expect(uri.description == target)
    }

    @Test func aTunnelHasNoPath() {
        let uri = uri("h.test:443", .connect)
        #expect(uri.path == "" && uri.rawPath == "" && uri.query == nil && uri.queryItems.isEmpty)
        let unset = HTTPRequest(method: .get, scheme: nil, authority: nil, path: nil)
        #expect(unset.uri.path == "/")
    }

    @Test func aPercentThatEncodesNothingStandsForItself() {
        #expect(uri("/%/%4/%zz/%41").path == "/%/%4/%zz/A")
        #expect(uri("/?a=100%&%=1").queryItems.map(\.name) == ["a", "%"])
    }

    @Test(
        arguments: [
            ("/", []),
            ("/?", []),
            ("/?a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
            ("/?a&b=&=c&&d=e=f", [("a", ""), ("b", ""), ("", "c"), ("d", "e=f")]),
            ("/?q=water+mill%2B&%6E=%C3%BC%FF", [("q", "water mill+"), ("n", "ü\u{FFFD}")]),
            ("/a+b?x", [("x", "")]),
        ] as [(String, [(String, String)])]
    )
    func aQueryIsAListOfItems(_ target: String, items: [(String, String)]) {
        let read = uri(target).queryItems
        #expect(read.map(\.name) == items.map(\.0))
        #expect(read.map(\.value) == items.map(\.1))
        for item in items {
            #expect(uri(target)[queryItem: item.0] == items.first { $0.0 == item.0 }?.1)
        }
        #expect(uri(target)[queryItem: "none"] == nil)
    }

    @Test func whatTheClientEncodesIsWhatTheServerReads() {
        let items: [(name: String, value: String)] = [("a b", "1+1=2 & more"), ("ü%", "#?/"), ("", "")]
        let target = HTTPURL("http://h.test/p").appending(queryItems: items).path
        let uri = uri(target)
        #expect(uri.queryItems.map(\.name) == items.map(\.name))
        #expect(uri.queryItems.map(\.value) == items.map(\.value))
        #expect(uri.path == "/p")
    }

    @Test(arguments: [
        ("", true), ("/", true), ("/%41", true), ("%aF%00", true), ("/%", false), ("/%4", false), ("/%4g", false),
        ("/%%41", false), ("/%41%", false), ("/a?b=%2", false),
    ])
    func aPercentIsFollowedByTwoDigits(_ target: String, isWellFormed: Bool) {
        #expect(Array(target.utf8).withUnsafeBytes { HTTPURI.isWellFormed(target: $0) } == isWellFormed)
    }
}
