/// Heads for the tests of the scanner.
enum ScannerHeads {
    private static func letters(_ count: Int) -> String { String(repeating: "a", count: count) }
    private static func spaces(_ count: Int) -> String { String(repeating: " \t", count: count / 2) }

    /// Heads that the scanner has to accept.
    static let ordinary: [[UInt8]] = texts.map { $0.unicodeScalars.map { UInt8($0.value) } }

    /// The scalars up to U+00FF stand for octets.
    private static let texts = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /index.html?a=b&c=d HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11)\r\n"
            + "Accept: text/html,*/*;q=0.8\r\nAccept-Encoding: gzip, br\r\nAccept-Language: en\r\nReferer: http://a/\r\n"
            + "Cookie: a=b; c=d\r\nSec-Fetch-Mode: navigate\r\nDNT: 1\r\n\r\n",
        "POST /submit HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: text/plain\r\nContent-Length: 17\r\n\r\n",
        "HEAD /a HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n",
        "PUT /a HTTP/1.1\r\nHost:a\r\nContent-Length:0\r\n\r\n",
        "PATCH /~a/ HTTP/1.1\r\nhost: a\r\ncontent-length: 007\r\n\r\n",
        "DELETE //a HTTP/1.1\r\nHOST: a\r\nCONNECTION: Keep-Alive\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: \t a\t \r\nX: \t a \t b\t \r\nY:\r\nZ: \t \r\nA: \t\t\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \u{80}\u{ff}\u{e9}\r\nY: a\u{a0}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX1!#$%&'*+-.^_`|~9: b\r\n0: c\r\nA-0123456789ABCDEFG-Z: d\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length-: 5\r\nHostt: b\r\nXpect: c\r\nUpgrader: d\r\nClose: e\r\n\r\n",
    ]

    /// Names, values and targets on both sides of every 16 octets, up to 48.
    static let lengths: [[UInt8]] = (0...48).flatMap { count in
        [
            "GET /\(letters(count)) HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\(letters(count))\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: \(letters(count))\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX\(letters(count)): b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX:\(spaces(count))b\(spaces(count))\r\n\r\n",
        ].map { Array($0.utf8) }
    }

    /// Lines about framing and the connection, each fit to stand after `Host: a`.
    static let special: [String] =
        lengthValues.map { "Content-Length: \($0)" } + connectionValues.map { "Connection: \($0)" }
        + ["chunked", "Chunked", "gzip, chunked", "identity", "", "chunked, chunked"].map { "Transfer-Encoding: \($0)" }
        + ["100-continue", "100-Continue", "", "x"].map { "Expect: \($0)" }
        + ["websocket", "h2c", ""].map { "Upgrade: \($0)" }
        + ["a", "b", ""].map { "Host: \($0)" }
        + ["X: y", "TE: trailers", "Trailer: X", "Keep-Alive: timeout=5", "Content-Encoding: gzip"]

    private static let lengthValues = [
        "0", "007", "5", "9223372036854775807", "9223372036854775808", "18446744073709551617",
        "00000000000000000000000000000000000005", "+1", "-0", "1,1", "1 1", "", "0x1", "1_0", "1.0", "\"1\"", "1\u{b2}",
    ]

    private static let connectionValues = [
        "close", "keep-alive", "Close", "KEEP-ALIVE", "closed", "clos", "", "close, keep-alive", "keep-alive, close",
        "close,", ",close", "upgrade", "Upgrade, keep-alive", "keep-alive;q=1", "te", "\"close\"", "close\u{a0}",
        "keep\u{0d}alive",
    ]

    /// Values of `Host`, good and bad.
    static let hosts = shortHosts + [255, 256, 257].map(letters)

    private static let shortHosts = [
        "a", "A.Example", "a.", "xn--a", "a_b", "~", "a;b", "a!$&'()*+,;=b", "127.0.0.1", "a%20b", "a%2", "a%zz", "",
        "a:80", "a:0", "a:65535", "a:65536", "a:", "a:+80", ":80", " ", "a b", "a/b", "a?b", "a#b", "a@b", "a, b",
        "[::1]", "[::1]:8080", "[::ffff:127.0.0.1]", "[::1", "[::g]", "[]", "[", "[::1]a", "[::1]:", "::1", "[v1.a]",
        "[fe80::1%25eth0]", "a\u{e9}", "a\u{7f}", "\"a\"", "<a>", "a\\b",
    ]
}
