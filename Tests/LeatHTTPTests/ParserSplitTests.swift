import LeatHTTP
import Testing

/// However the octets are split into reads, the same comes out.
@Suite struct ParserSplitTests {
    static let corpus: [(HTTPParser.Role, ParserCase)] =
        (Corpus.goodRequests + Corpus.badRequests).map { (.request, $0) }
        + (Corpus.goodResponses + Corpus.badResponses).map { (.response, $0) }

    @Test func everySplitInTwoGivesTheSame() {
        for (role, input) in Self.corpus {
            let whole = observe(input.bytes, role)
            for cut in 1..<max(input.bytes.count, 2) {
                #expect(observe(input.bytes, role, cuts: [cut]) == whole, "\(input.name) cut at \(cut)")
            }
        }
    }

    @Test func oneOctetAtATimeGivesTheSame() {
        for (role, input) in Self.corpus {
            #expect(
                observe(input.bytes, role, cuts: 0..<input.bytes.count) == observe(input.bytes, role),
                "\(input.name)"
            )
        }
    }

    @Test func randomSplitsGiveTheSame() {
        var generator = SeededGenerator(seed: 1)
        for (role, input) in Self.corpus {
            let whole = observe(input.bytes, role)
            for _ in 0..<20 {
                let cuts = (0..<5).map { _ in Int.random(in: 0...input.bytes.count, using: &generator) }.sorted()
                #expect(observe(input.bytes, role, cuts: cuts) == whole, "\(input.name) cut at \(cuts)")
            }
        }
    }

    @Test func aDripOfOctetsIsSearchedOnce() {
        var limits = HTTPLimits()
        limits.maximumFieldLine = 1 << 20
        limits.maximumHead = 1 << 21
        var parser = HTTPParser(role: .request, limits: limits)
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8) + [UInt8](repeating: 0x61, count: 100_000)
        bytes.withUnsafeBytes { bytes in
            var position = 0
            for count in 1...bytes.count {
                let event = try? parser.parse(UnsafeRawBufferPointer(rebasing: bytes[..<count]), consumed: &position)
                if event != .needMore { Issue.record("at \(count)") }
            }
            #expect(position == 25)
        }
    }
}
