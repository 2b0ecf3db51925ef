extension HTTPParser {
    /// As much of the body or of the chunk as the buffer holds; nil if it holds nothing.
    @inline(__always)
    mutating func takeBody(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) -> Range<Int>? {
        let count = min(remaining, bytes.count - position)
        guard count > 0 else { return nil }
        defer { position += count }
        remaining -= count
        return position..<position + count
    }

    /// Says that the next `count` octets of a body with a length have gone where they belong without passing by here.
    mutating func skipBody(_ count: Int) {
        assert(phase == .lengthBody && count <= remaining)
        remaining -= count
        if remaining == 0 { phase = .messageEnd }
    }

    /// Consumes the line before a chunk: `1*HEXDIG [ chunk-ext ] CRLF` (RFC 9112 §7.1). False if it is not complete.
    ///
    /// Stricter than the RFC in one point: white space between the size and the extension is refused, as llhttp does.
    mutating func parseChunkSize(
        _ bytes: UnsafeRawBufferPointer,
        _ position: inout Int
    ) throws(HTTPParseError) -> Bool {
        // The size is part of the limit so that a run of digits without end is refused as well.
        let limit = Self.maximumSizeDigits + Int(limits.chunkExtensions) - Int(extensionSize)
        guard
            let length = try findLine(
                bytes,
                position,
                limit: limit,
                tooLong: .chunkExtensionsTooLarge,
                place: .chunk
            ),
            let line = bytes.baseAddress.map({ $0 + position })
        else { return false }
        let digits = try chunkSize(line, length)
        try checkExtension(line, digits..<length)
        position += length + 2
        if remaining == 0 {
            phase = .trailers
            number = 0
            sectionSize = 0
            fields = HTTPFields()
        } else {
            phase = .chunkData
        }
        return true
    }

    /// 16 digits are 64 bits; more can only be leading zeros or an overflow.
    private static var maximumSizeDigits: Int { 16 }

    /// Reads the size into `remaining`, and returns the number of its digits.
    private mutating func chunkSize(_ line: UnsafeRawPointer, _ length: Int) throws(HTTPParseError) -> Int {
        var size: UInt64 = 0
        var digits = 0
        while digits < length, let value = ASCII.hexValue(line.load(fromByteOffset: digits, as: UInt8.self)) {
            if digits == Self.maximumSizeDigits { throw chunkError(.invalidChunkSize, at: digits) }
            size = size &<< 4 | UInt64(value)
            digits += 1
        }
        guard digits > 0, let size = Int(exactly: size) else { throw chunkError(.invalidChunkSize, at: digits) }
        remaining = size
        return digits
    }

    /// Checks and counts what follows the size. Its meaning is of no interest: no extension was ever in general use.
    private mutating func checkExtension(_ line: UnsafeRawPointer, _ range: Range<Int>) throws(HTTPParseError) {
        if range.isEmpty { return }
        guard line.load(fromByteOffset: range.lowerBound, as: UInt8.self) == ASCII.semicolon else {
            throw chunkError(.invalidChunkSize, at: range.lowerBound)
        }
        if let offset = ASCII.firstNonFieldValue(line + range.lowerBound, range.count) {
            throw chunkError(.invalidChunkExtension, at: range.lowerBound + offset)
        }
        let name = ASCII.trim(line, range.lowerBound + 1..<range.upperBound)
        guard !name.isEmpty, ASCII.isToken(line.load(fromByteOffset: name.lowerBound, as: UInt8.self)) else {
            throw chunkError(.invalidChunkExtension, at: name.lowerBound)
        }
        extensionSize += UInt32(range.count)
        if extensionSize > limits.chunkExtensions { throw chunkError(.chunkExtensionsTooLarge, at: range.lowerBound) }
    }

    /// Consumes the CR LF after the data of a chunk. False if it has not arrived; a wrong octet is refused at once.
    mutating func parseChunkEnd(
        _ bytes: UnsafeRawBufferPointer,
        _ position: inout Int
    ) throws(HTTPParseError) -> Bool {
        guard position < bytes.count else { return false }
        guard bytes[position] == ASCII.carriageReturn else { throw chunkError(.missingChunkEnd) }
        guard position + 1 < bytes.count else { return false }
        guard bytes[position + 1] == ASCII.lineFeed else { throw chunkError(.missingChunkEnd) }
        position += 2
        phase = .chunkSize
        return true
    }

    private func chunkError(_ kind: HTTPParseError.Kind, at offset: Int = 0) -> HTTPParseError {
        HTTPParseError(kind, .chunk, number: Int(number), offset: offset)
    }
}
