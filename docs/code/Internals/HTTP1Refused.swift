import Leat
import LeatHTTP

/// A message that two recipients could read in two ways: what is wrong with it, which section of RFC 9112 says so (or of RFC
/// 9110, where that is named), and who was found to accept it.
private struct Shape {
    let bytes: String
    let section: String
    let knownFrom: String

    init(_ bytes: String, _ section: String, _ knownFrom: String) {
        self.bytes = bytes
        self.section = section
        self.knownFrom = knownFrom
    }
}

private let heads = [
    Shape("Content-Length: 5\r\nTransfer-Encoding: chunked", "6.1", "CVE-2023-47641 aiohttp"),
    Shape("Content-Length: +5", "6.3", "CVE-2021-32715 hyper"),
    Shape("Content-Length: 1_0", "6.3", "CVE-2023-47627 aiohttp"),
    Shape("Content-Length: ٥", "6.3", "CVE-2025-69224 aiohttp"),
    Shape("Content-Length:", "6.3", "CVE-2023-40225 HAProxy"),
    Shape("Content-Length: 5\r\nContent-Length: 6", "6.3", "H2O, fasthttp"),
    Shape("Transfer-Encoding: chunkedchunked", "6.1", "CVE-2022-32213 Node"),
    Shape("Transfer-Encoding: chunked, chunked", "6.1", "Tornado"),
    Shape("Transfer-Encoding: \u{B}chunked", "9110 5.5", "who trims more than SP and HTAB"),
    Shape("Transfer-Encoding: ,chunked", "9110 5.6.1", "gunicorn"),
    Shape("X: a\nTransfer-Encoding: chunked", "2.2", "CVE-2022-32214 Node"),
    Shape("X: a\rContent-Length: 5", "2.2", "CVE-2023-30589 Node"),
    Shape("Transfer-Encoding: chunked\r\n , identity", "5.2", "CVE-2022-32215 Node"),
    Shape("Content-Length : 5", "5.1", "CVE-2019-16276 Go"),
    Shape(": a", "5", "golang/go#65244, gunicorn, Node"),
    Shape("X: a\u{0}b", "9110 5.5", "CVE-2026-34520 aiohttp"),
    Shape("Host: b", "3.2", "CVE-2026-34525 aiohttp"),
]

private let starts = [
    Shape("GET / HTTP/1.0\r\nTransfer-Encoding: chunked", "6.1", "Go, which ignores the coding"),
    Shape("GET / HTTP/1.32", "2.3", "who compares a prefix"),
    Shape("PRI * HTTP/2.0", "2.3", "Go, which passes it on"),
    Shape("\u{16}\u{3}\u{1}", "3", "a TLS hello on the wrong port"),
]

private let bodies = [
    Shape("\r\nX", "7.1", "golang/go#64517, hyper"),
    Shape("f0000000000000003\r\n", "7.1", "CVE-2021-32714 hyper"),
    Shape("+5\r\n", "7.1", "Swift's Int(_:radix:), which takes it"),
    Shape("5\nhello", "7.1", "CVE-2025-22871 Go"),
    Shape("5;a\nb\r\nhello", "7.1.1", "CVE-2024-52304 aiohttp"),
    Shape("5\r\rhello\r\n", "7.1", "Node (llhttp, 2023)"),
    Shape("5\r\nhelloXX0\r\n\r\n", "7.1", "CVE-2025-43859 h11"),
    Shape("0\r\nContent-Length: 5\r\n\r\n", "9110 6.5.1", "CVE-2025-53643 aiohttp"),
    Shape("1;" + String(repeating: "e", count: 16384) + "\r\n", "7.1.1", "CVE-2023-39326 Go"),
]

/// What becomes of each.
func http1Refused() {
    for shape in heads { refuse(shape, before: "POST / HTTP/1.1\r\nHost: a\r\n", after: "\r\n\r\n") }
    for shape in starts { refuse(shape, before: "", after: "\r\nHost: a\r\n\r\n") }
    for shape in bodies { refuse(shape, before: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n") }
}

private func refuse(_ shape: Shape, before: String, after: String = "") {
    let bytes = Array((before + shape.bytes + after).utf8)
    var (parser, position) = (HTTPParser(role: .request), 0)
    var verdict = "ACCEPTED"
    bytes.withUnsafeBytes { bytes in
        do throws(HTTPParseError) {
            while try parser.parse(bytes, consumed: &position) != .needMore {}
        } catch {
            verdict = "\(error.suggestedStatus.code) \(error.kind)"
        }
    }
    print(column(escaped(shape.bytes), 48), column(verdict, 29), column(shape.section, 10), shape.knownFrom)
}

private func column(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.unicodeScalars.count))
}

private func escaped(_ text: String) -> String {
    let shown = text.unicodeScalars.map { $0.escaped(asASCII: false) }.joined()
    return shown.utf8.count > 64 ? "\(shown.prefix(4))… (16 KiB)" : shown
}
