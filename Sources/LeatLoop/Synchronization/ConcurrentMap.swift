/// Runs the operations side by side and returns their results in order: asyncio's `gather`. If one throws, the others
/// are cancelled and awaited, and its error is thrown.
public func gather<T: Sendable>(_ operations: (@Sendable () async throws -> T)...) async throws -> [T] {
    try await operations.concurrentMap(limit: max(operations.count, 1)) { try await $0() }
}

extension Sequence where Element: Sendable {
    /// Transforms the elements side by side, at most `limit` at a time, and returns the results in the elements' order.
    ///
    /// The sequence is read lazily: an element is taken when there is room for it. If a transform throws, no further
    /// element is taken, those under way are cancelled and awaited, and its error is thrown.
    public func concurrentMap<T: Sendable>(
        limit: Int,
        _ transform: @escaping @Sendable (Element) async throws -> T
    ) async throws -> [T] {
        precondition(limit > 0, "concurrentMap needs a limit of at least 1")
        return try await withThrowingTaskGroup(of: (Int, T).self) { group in
            var results: [T?] = []
            var source = makeIterator()
            func startNext() -> Bool {
                guard let element = source.next() else { return false }
                let index = results.count
                results.append(nil)
                group.addTask { (index, try await transform(element)) }
                return true
            }
            var running = 0
            while running < limit, startNext() { running += 1 }
            while let (index, value) = try await group.next() {
                results[index] = value
                _ = startNext()
            }
            return results.map { $0! }
        }
    }
}
