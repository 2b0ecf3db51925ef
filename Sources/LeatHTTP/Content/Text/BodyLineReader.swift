/// Takes the lines out of a body, as they arrive: what its lines and its events have in common.
struct BodyLineReader {
    private let reader: HTTPBodyReader
    private var splitter: LineSplitter
    private var isFinished = false

    init(_ reader: HTTPBodyReader, maximumLine: Int) {
        self.reader = reader
        splitter = LineSplitter(maximumLine: maximumLine)
    }

    /// What `take` makes of the first line of which it makes anything; nil at the end of the body, or after an error.
    mutating func next<T>(_ take: (ArraySlice<UInt8>) throws -> T?) async throws -> T? {
        guard !isFinished else { return nil }
        do {
            while true {
                while let line = try splitter.next() {
                    if let found = try take(line) { return found }
                }
                guard let piece = try await reader.read() else { break }
                splitter.feed(piece)
            }
            isFinished = true
            return nil
        } catch {
            isFinished = true
            // What was begun is not a line.
            _ = splitter.finish()
            throw error
        }
    }

    /// What follows the last line end; nil if nothing does.
    mutating func finish() -> ArraySlice<UInt8>? { splitter.finish() }
}
