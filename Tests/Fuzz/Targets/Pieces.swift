/// Where an input is cut into reads. One octet of the input decides, so that a fuzzer can vary it.
struct Pieces {
    /// The lengths of the pieces; the last one may be longer than what is left.
    private(set) var lengths: [Int] = []

    /// All at once.
    static func whole(_ count: Int) -> Pieces { Pieces(lengths: [count]) }

    /// One by one.
    static func octets(_ count: Int) -> Pieces { Pieces(lengths: Array(repeating: 1, count: count)) }

    private init(lengths: [Int]) { self.lengths = lengths }

    /// Random pieces of up to 2, 4, … 256 octets for `count` octets, the same for the same seed.
    init(_ count: Int, seed: UInt8) {
        var state = UInt64(seed)
        let largest = UInt64(2) << UInt64(seed & 7)
        var covered = 0
        while covered < count {
            // The step of a linear congruential generator (Knuth's MMIX); the upper bits are the good ones.
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let length = Int((state >> 33) % largest) + 1
            lengths.append(length)
            covered += length
        }
    }
}

extension [UInt8] {
    /// Calls `body` with the bytes in memory that is just as large: the address sanitizer sees one octet too many.
    func withExactCopy<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: self)
        return body(UnsafeRawBufferPointer(copy))
    }

    /// Takes the first octet away; zero if there is none.
    mutating func takeFirst() -> UInt8 { isEmpty ? 0 : removeFirst() }
}
