import LeatHTTP
import Testing

/// A message at a limit passes, one octet more does not, whole or in drips.
@Suite struct ParserLimitTests {
    private func failure(_ text: String, _ limits: HTTPLimits, role: HTTPParser.Role = .request) -> HTTPParseError? {
        let bytes = Array(text.utf8)
        let whole = observe(bytes, role, limits: limits)
        #expect(observe(bytes, role, limits: limits, cuts: 0..<bytes.count) == whole)
        return whole.failure
    }

    private func letters(_ count: Int) -> String { String(repeating: "a", count: count) }

    @Test func theStartLineIsLimited() {
        var limits = HTTPLimits()
        limits.maximumStartLine = 100
        func text(_ length: Int) -> String { "GET /\(letters(length - 14)) HTTP/1.1\r\nHost: a\r\n\r\n" }
        #expect(failure(text(100), limits) == nil)
        #expect(failure(text(101), limits)?.kind == .startLineTooLong)
        #expect(failure(letters(102), limits)?.kind == .startLineTooLong)
    }

    @Test func aFieldLineIsLimited() {
        var limits = HTTPLimits()
        limits.maximumFieldLine = 50
        func text(_ length: Int) -> String { "GET / HTTP/1.1\r\nHost: a\r\nX: \(letters(length - 3))\r\n\r\n" }
        #expect(failure(text(50), limits) == nil)
        #expect(failure(text(51), limits)?.kind == .fieldLineTooLong)
        #expect(failure("GET / HTTP/1.1\r\nHost: a\r\n\(letters(52))", limits)?.kind == .fieldLineTooLong)
    }

    @Test func theHeadIsLimited() {
        let text = "GET / HTTP/1.1\r\nHost: a\r\nX: \(letters(30))\r\n\r\n"
        var limits = HTTPLimits()
        limits.maximumHead = text.utf8.count
        #expect(failure(text, limits) == nil)
        for maximum in 0..<text.utf8.count {
            limits.maximumHead = maximum
            #expect(failure(text, limits)?.kind == .headTooLarge)
        }
    }

    @Test func theNumberOfFieldsIsLimited() {
        var limits = HTTPLimits()
        limits.maximumFieldCount = 70
        func text(_ count: Int) -> String {
            "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: count - 1) + "\r\n"
        }
        #expect(failure(text(70), limits) == nil)
        #expect(failure(text(71), limits)?.kind == .tooManyFields)
    }

    @Test func theTrailerSectionIsLimited() {
        var limits = HTTPLimits()
        let trailers = "A: \(letters(20))\r\nB: \(letters(20))\r\n\r\n"
        let text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\(trailers)"
        limits.maximumTrailerSection = trailers.utf8.count
        #expect(failure(text, limits) == nil)
        limits.maximumTrailerSection -= 1
        #expect(failure(text, limits)?.kind == .trailersTooLarge)
        limits.maximumTrailerSection = 1000
        limits.maximumFieldCount = 2
        #expect(failure(text, limits) == nil)
        // CR LF is one Character.
        let error = failure(text.dropLast() + "C:\r\n\r\n", limits)
        #expect(error?.kind == .tooManyFields)
        #expect(error?.place == .trailer)
    }

    @Test func chunkExtensionsAreLimitedOverTheBody() {
        var limits = HTTPLimits()
        limits.maximumChunkExtensions = 40
        func text(_ first: Int, _ second: Int) -> String {
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "1;\(letters(first - 1))\r\nx\r\n1;\(letters(second - 1))\r\nx\r\n0\r\n\r\n"
        }
        #expect(failure(text(20, 20), limits) == nil)
        #expect(failure(text(20, 21), limits)?.kind == .chunkExtensionsTooLarge)
        #expect(failure(text(41, 2), limits)?.kind == .chunkExtensionsTooLarge)
        #expect(failure(text(400, 2), limits)?.kind == .chunkExtensionsTooLarge)
        // The next body starts from zero.
        #expect(failure(text(20, 20) + text(20, 20), limits) == nil)
    }

    @Test func theDefaultsPassLargeHeadsAndRefuseMegabytes() {
        let fields = (1...59).map { "X-\($0): \(letters(40))\r\n" }.joined()
        let line = "GET /\(letters(8_000 - 14)) HTTP/1.1\r\n"
        #expect(request("\(line)Host: a\r\n\(fields)X: \(letters(4_000))\r\n\r\n").failure == nil)
        let megabyte = letters(1 << 20)
        let head = "POST / HTTP/1.1\r\nHost: a\r\n"
        let chunked = "\(head)Transfer-Encoding: chunked\r\n\r\n"
        #expect(request("GET /\(megabyte)").failure?.kind == .startLineTooLong)
        #expect(request("\(head)X: \(megabyte)").failure?.kind == .fieldLineTooLong)
        #expect(request("\(chunked)0\r\nX: \(megabyte)").failure?.kind == .trailersTooLarge)
        #expect(request("\(chunked)1;\(megabyte)").failure?.kind == .chunkExtensionsTooLarge)
        let many = (1...100).map { "X-\($0): \(letters(1_000))\r\n" }.joined()
        #expect(request("\(head)\(many)\r\n").failure?.kind == .headTooLarge)
    }
}
