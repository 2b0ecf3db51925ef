import Glibc
import LeatHTTP
import Testing

@Suite struct ParserMemoryTests {
    /// The input lies against a page that cannot be read: one octet too many ends the process.
    @Test func nothingBeyondTheBufferIsRead() throws {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let map = try #require(mmap(nil, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        defer { munmap(map, 2 * page) }
        #expect(mprotect(map + page, page, PROT_NONE) == 0)
        for (role, input) in ParserSplitTests.corpus where input.bytes.count <= page {
            for count in 1...max(input.bytes.count, 1) where count <= input.bytes.count {
                let start = map + (page - count)
                input.bytes.withUnsafeBytes { start.copyMemory(from: $0.baseAddress!, byteCount: count) }
                var parser = HTTPParser(role: role)
                drain(&parser, UnsafeRawBufferPointer(start: start, count: count))
            }
        }
    }

    private func drain(_ parser: inout HTTPParser, _ bytes: UnsafeRawBufferPointer) {
        var position = 0
        while true {
            guard let event = try? parser.parse(bytes, consumed: &position) else { return }
            switch event {
            case .needMore: return
            case .head where parser.role == .request: _ = parser.takeRequestHead()
            case .head: _ = parser.takeResponseHead()
            default: continue
            }
        }
    }

    @Test func mutatedInputNeverCrashesAndNeverDependsOnSplits() {
        var generator = SeededGenerator(seed: 2)
        let meaningful: [UInt8] = Array("\r\n\t :,;0179aAfFxX/HTP.\u{0}\u{7f}".utf8) + [0x80, 0xA0, 0xFF]
        let corpus = ParserSplitTests.corpus
        for round in 0..<40_000 {
            let (role, input) = corpus[Int.random(in: 0..<corpus.count, using: &generator)]
            var bytes = input.bytes
            for _ in 0..<Int.random(in: 1...3, using: &generator) { mutate(&bytes, meaningful, &generator) }
            let whole = observe(bytes, role)
            let cuts =
                round % 32 == 0
                ? Array(0..<bytes.count)
                : (0..<3).map { _ in Int.random(in: 0...bytes.count, using: &generator) }.sorted()
            let split = observe(bytes, role, cuts: cuts)
            for head in whole.requests { checkRoundTrip(head) }
            if split != whole { Issue.record("round \(round), cuts \(cuts): \(bytes)") }
        }
    }

    /// What the parser accepts, the encoder accepts, and it comes out of the parser as it went in.
    private func checkRoundTrip(_ head: HTTPRequestHead) {
        guard head.version == .http11, head.request.headerFields[.host] != "" else { return }
        var output: [UInt8] = []
        do throws(HTTPEncodingError) {
            try HTTPEncoder.appendRequestHead(head.request, framing: head.framing, to: &output)
            if observe(output, .request).requests != [head] { Issue.record("\(head) became \(output)") }
        } catch {
            Issue.record("\(head) was refused: \(error)")
        }
    }

    private func mutate(_ bytes: inout [UInt8], _ meaningful: [UInt8], _ generator: inout SeededGenerator) {
        let index = Int.random(in: 0...bytes.count, using: &generator)
        let byte = meaningful.randomElement(using: &generator)!
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: bytes.insert(byte, at: index)
        case 1 where index < bytes.count: bytes.remove(at: index)
        case 2 where index < bytes.count: bytes[index] = byte
        case 3 where index < bytes.count: bytes[index] = UInt8.random(in: 0...255, using: &generator)
        default:
            let end = min(bytes.count, index + Int.random(in: 0...20, using: &generator))
            bytes.insert(contentsOf: bytes[index..<end], at: Int.random(in: 0...bytes.count, using: &generator))
        }
    }
}
