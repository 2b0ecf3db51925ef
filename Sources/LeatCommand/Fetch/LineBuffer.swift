/// Bytes as they are read, taken out again as lines.
struct LineBuffer {
    private var bytes: [UInt8] = []
    /// Where the bytes begin that were not taken yet.
    private var start = 0
    /// Where the search for the end of a line goes on.
    private var searched = 0

    /// Bytes of the line that has not ended yet. Meaningful once ``next()`` has returned nil.
    var pending: Int { bytes.count - start }

    mutating func append(_ chunk: some Collection<UInt8>) {
        if start > 0 {
            bytes.removeFirst(start)
            searched -= start
            start = 0
        }
        bytes += chunk
    }

    /// The next line that is complete, without its end; nil if there is none yet.
    mutating func next() -> ArraySlice<UInt8>? {
        guard let end = bytes[searched...].firstIndex(of: 0x0A) else {
            searched = bytes.count
            return nil
        }
        defer {
            start = end + 1
            searched = start
        }
        return bytes[start..<end]
    }

    /// What is left after the last line's end; empty if nothing is.
    mutating func takeRest() -> ArraySlice<UInt8> {
        defer {
            start = bytes.count
            searched = start
        }
        return bytes[start...]
    }
}
