import CommandKit

/// One of `count` equal parts of a run's requests: those whose index, counted from 0, leaves `index` when divided by `count`.
struct Shard: Equatable, Sendable {
    let index: Int
    let count: Int

    /// More parts than anybody has machines.
    static let maximumCount = 1_000_000

    /// Nil unless `0 <= index < count <= maximumCount`.
    init?(index: Int, count: Int) {
        guard (1...Self.maximumCount).contains(count), (0..<count).contains(index) else { return nil }
        self.index = index
        self.count = count
    }

    /// Reads `I/N`.
    init(parsing text: String) throws(UsageError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let index = Self.number(parts[0]), let count = Self.number(parts[1]),
            let shard = Shard(index: index, count: count)
        else {
            throw UsageError("--shard takes I/N with I from 0 to N-1 (for example 0/4 to 3/4), or auto, not '\(text)'")
        }
        self = shard
    }

    func contains(_ requestIndex: Int) -> Bool { requestIndex % count == index }

    /// Decimal digits only; nil for anything else, and for what does not fit.
    static func number(_ text: some StringProtocol) -> Int? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }
}
