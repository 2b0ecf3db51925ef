import CBytes
import Testing

/// Searching sixteen bytes at a time finds what a plain loop finds, and reads nothing else.
@Suite struct ByteSearchTests {
    struct Search: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var find: @Sendable (UnsafeRawPointer, Int, Int) -> Int
        /// Whether the search goes on behind a byte.
        var passes: @Sendable (UInt8) -> Bool
    }

    static let searches = [
        Search(testDescription: "value", find: { cbytes_first_non_value($0, $1, $2) }) {
            $0 == 0x09 || $0 >= 0x20 && $0 != 0x7F
        },
        Search(testDescription: "letter", find: { cbytes_first_non_letter($0, $1, $2) }) {
            $0 >= 0x41 && $0 <= 0x5A || $0 >= 0x61 && $0 <= 0x7A || $0 == 0x2D
        },
        Search(testDescription: "target", find: { cbytes_first_non_target($0, $1, $2) }) {
            $0 > 0x20 && $0 < 0x7F && $0 != 0x23 && $0 != 0x25
        },
    ]

    private func plain(_ search: Search, _ bytes: UnsafeRawBufferPointer, _ from: Int, _ count: Int) -> Int {
        var index = from
        while index < count, search.passes(bytes[index]) { index += 1 }
        return index
    }

    /// Bytes that end a search lie before and behind the ones searched. They must not be seen.
    @Test(arguments: searches)
    func theFirstByteIsFoundAtEveryPlace(_ search: Search) {
        for alignment in 0..<16 {
            for length in 0...40 {
                for place in 0...length {
                    for byte: UInt8 in [0x00, 0x1F, 0x20, 0x7F, 0x80] where place == length || !search.passes(byte) {
                        check(search, byte, at: place, of: length, alignment)
                    }
                }
            }
        }
    }

    private func check(_ search: Search, _ byte: UInt8, at place: Int, of length: Int, _ alignment: Int) {
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 64) { room in
            _ = room.initializeMemory(as: UInt8.self, repeating: 0x0D)
            for index in 0..<length { room[alignment + index] = 0x61 }
            if place < length { room[alignment + place] = byte }
            if place + 5 < length { room[alignment + place + 5] = byte }
            let found = search.find(room.baseAddress! + alignment, 0, length)
            let inside = search.find(room.baseAddress!, alignment, alignment + length)
            if found != place || inside != alignment + place {
                Issue.record("\(byte) at \(place) of \(length), aligned to \(alignment): \(found), \(inside)")
            }
        }
    }

    /// In the sixteen bytes that are looked at together, and in those behind them that are looked at one by one.
    @Test(arguments: searches)
    func everyByteIsJudgedAsByAPlainLoop(_ search: Search) {
        for byte in UInt8.min...UInt8.max {
            for place in 0..<20 {
                var bytes = [UInt8](repeating: 0x61, count: 20)
                bytes[place] = byte
                bytes.withUnsafeBytes { bytes in
                    let found = search.find(bytes.baseAddress!, 0, 20)
                    if found != plain(search, bytes, 0, 20) { Issue.record("\(byte) at \(place): \(found)") }
                }
            }
        }
    }

    @Test(arguments: searches)
    func randomBytesAreSearchedAsByAPlainLoop(_ search: Search) {
        var generator = SeededGenerator(seed: 17)
        for _ in 0..<3000 {
            let length = Int.random(in: 0...60, using: &generator)
            // Few of the bytes end the search.
            let bytes = (0..<length).map { _ -> UInt8 in
                let byte = UInt8.random(in: 0...255, using: &generator)
                return search.passes(byte) || Int.random(in: 0..<20, using: &generator) == 0 ? byte : 0x61
            }
            let from = Int.random(in: 0...length, using: &generator)
            bytes.withUnsafeBytes { bytes in
                guard let start = bytes.baseAddress else { return }
                let found = search.find(start, from, length)
                if found != plain(search, bytes, from, length) {
                    Issue.record("\(Array(bytes)) from \(from): \(found)")
                }
            }
        }
    }

    /// The bytes lie against a page that cannot be read.
    @Test(arguments: searches)
    func nothingBeyondTheCountIsRead(_ search: Search) {
        let memory = GuardedMemory(pages: 1)
        for length in 0...40 {
            let window = memory.place([UInt8](repeating: 0x61, count: length))
            guard let start = window.baseAddress else { continue }
            for from in 0...length { #expect(search.find(start, from, length) == length) }
        }
    }
}
