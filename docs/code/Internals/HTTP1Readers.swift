import Leat
import LeatHTTP

/// Chapter "HTTP/1.1 byte by byte": which of the two readers takes a head, and whether they agree.
func http1Readers() {
    let scanner = RequestScanner(limits: HTTPLimits())
    for (name, head) in heads {
        print(padded(name, to: 34), reading(Array(head.utf8), by: scanner).text)
    }
    var random = SplitMix(state: 1)
    var disagreements = 0
    for _ in 0..<20_000 {
        var head = Array(heads.randomElement(using: &random)!.head.utf8)
        for _ in 0..<Int.random(in: 1...3, using: &random) { mutate(&head, &random) }
        if !reading(head, by: scanner).isAgreed { disagreements += 1 }
    }
    print("20,000 heads with one to three random changes: \(disagreements) on which they disagree")
}

private let heads: [(name: String, head: String)] = [
    ("GET", "GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n"),
    ("HEAD, Connection: close", "HEAD /b?c=d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    ("POST, Content-Length: 5", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"),
    ("a head that is not complete", "GET / HTTP/1.1\r\nHost: a\r\nAcc"),
    ("another method", "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a % in the target", "GET /caf%C3%A9 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a whole URL as the target", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n"),
    ("Transfer-Encoding: chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("Expect: 100-continue", "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
    ("Upgrade", "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"),
    ("65 fields", "GET / HTTP/1.1\r\nHost: a\r\n\(String(repeating: "X: y\r\n", count: 64))\r\n"),
    ("a line that ends with LF alone", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    ("two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"),
    ("no Host", "GET / HTTP/1.1\r\nX: y\r\n\r\n"),
]

/// Has the scanner read a head, and the parser too. They agree if the scanner leaves it to the parser, or if both find the same
/// request of the same length.
private func reading(_ bytes: [UInt8], by scanner: RequestScanner) -> (text: String, isAgreed: Bool) {
    bytes.withUnsafeBytes { bytes in
        var (parser, position) = (HTTPParser(role: .request), 0)
        let length = scanner.scan(bytes)
        do throws(HTTPParseError) {
            guard try parser.parse(bytes, consumed: &position) == .head else {
                return length == 0 ? ("parser: needs more", true) : ("scanner, and the parser needs more", false)
            }
            if length == 0 { return ("parser", true) }
            let isSame = position == length && parser.takeRequestHead().request == scanner.request
            return isSame ? ("scanner, and the parser agrees", true) : ("scanner, and the parser differs", false)
        } catch {
            let isLeft = length == 0
            return ("\(isLeft ? "parser" : "scanner, and the parser"): \(error.kind)", isLeft)
        }
    }
}

/// Removes an octet, or puts one of those that matter to the grammar in its place.
private func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix) {
    guard let index = bytes.indices.randomElement(using: &random) else { return }
    let octets = Array("\r\n :;,\t\0%/#-+aZ09\u{7F}\u{80}".utf8)
    if Bool.random(using: &random) {
        bytes.remove(at: index)
    } else {
        bytes[index] = octets.randomElement(using: &random)!
    }
}

/// Small, and the same in every run.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

private func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.utf8.count))
}
