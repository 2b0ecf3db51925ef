/// Cuts pieces of bytes into lines, which end with LF, CR or CRLF. No more than one unfinished line is kept.
struct LineSplitter {
    private let maximumLine: Int
    private var piece: [UInt8] = []
    private var position = 0
    /// The beginning of a line whose end has not come yet.
    private var partial: [UInt8] = []
    /// Whether a line ended with the CR just before, so that an LF here belongs to it.
    private var isAfterCarriageReturn = false

    /// Makes a splitter for lines of at most `maximumLine` bytes, without their ends.
    init(maximumLine: Int) {
        self.maximumLine = maximumLine
    }

    /// Takes the next piece. The lines of the one before must have been taken: ``next()`` has returned nil.
    mutating func feed(_ bytes: [UInt8]) {
        precondition(position == piece.count, "fed before the last piece was used up")
        piece = bytes
        position = 0
    }

    /// The next line, without its end; nil when more has to be fed. A line that ends with CR is complete at that: whether
    /// LF follows may not be known for a long time.
    /// Throws ``HTTPError`` of kind `.lineTooLong` as soon as a line has more bytes than allowed.
    mutating func next() throws(HTTPError) -> ArraySlice<UInt8>? {
        if isAfterCarriageReturn, position < piece.count {
            isAfterCarriageReturn = false
            if piece[position] == ASCII.lineFeed { position += 1 }
        }
        let start = position
        guard let end = endOfLine(from: start) else {
            position = piece.count
            try check(partial.count + piece.count - start)
            partial += piece[start...]
            return nil
        }
        try check(partial.count + end - start)
        isAfterCarriageReturn = piece[end] == ASCII.carriageReturn
        position = end + 1
        if partial.isEmpty { return piece[start..<end] }
        partial += piece[start..<end]
        defer { partial = [] }
        return partial[...]
    }

    /// What follows the last line end when nothing more comes; nil if nothing does.
    mutating func finish() -> ArraySlice<UInt8>? {
        guard !partial.isEmpty else { return nil }
        defer { partial = [] }
        return partial[...]
    }

    private func endOfLine(from start: Int) -> Int? {
        piece.withUnsafeBufferPointer { bytes in
            var index = start
            while index < bytes.count {
                let byte = bytes[index]
                if byte == ASCII.lineFeed || byte == ASCII.carriageReturn { return index }
                index &+= 1
            }
            return nil
        }
    }

    private func check(_ length: Int) throws(HTTPError) {
        guard length <= maximumLine else {
            throw HTTPError(.lineTooLong, "a line of the body has more than \(maximumLine) bytes")
        }
    }
}
