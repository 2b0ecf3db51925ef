extension HTTPParser {
    /// Consumes the complete field lines of a head or of a trailer section. True at the empty line which ends them.
    ///
    /// The lines at hand are located first and then copied at once, so that a head which arrives in one piece costs one
    /// allocation, whatever the number of fields.
    mutating func parseFieldLines(
        _ bytes: UnsafeRawBufferPointer,
        _ position: inout Int
    ) throws(HTTPParseError) -> Bool {
        var outcome = RunOutcome.full
        while outcome == .full {
            outcome = try withUnsafeTemporaryAllocation(of: HTTPFieldStorage.Entry.self, capacity: Self.runCapacity) {
                (entries) throws(HTTPParseError) -> RunOutcome in
                try parseRun(bytes, &position, entries)
            }
        }
        return outcome == .sectionEnd
    }

    private enum RunOutcome {
        case needMore, full, sectionEnd
    }

    /// How many fields are located before they are copied.
    private static var runCapacity: Int { 64 }

    private mutating func parseRun(
        _ bytes: UnsafeRawBufferPointer,
        _ position: inout Int,
        _ entries: UnsafeMutableBufferPointer<HTTPFieldStorage.Entry>
    ) throws(HTTPParseError) -> RunOutcome {
        guard let base = bytes.baseAddress else { return .needMore }
        let isTrailer = phase == .trailers
        let place: HTTPParseError.Place = isTrailer ? .trailer : .field
        let maximumSize = Int(isTrailer ? limits.trailerSection : limits.head)
        let longest = Int(limits.fieldLine)
        let known = fields.count
        let room = min(entries.count, Int(limits.fieldCount) - known)
        // Entries count from the start of the fields' storage, to whose end the run will be copied.
        let bias = fields.byteCount - position
        let runStart = position
        var count = 0
        var outcome = RunOutcome.full
        while count < entries.count {
            let limit = min(longest, maximumSize - Int(sectionSize) - 2)
            let tooLong: HTTPParseError.Kind =
                longest <= limit ? .fieldLineTooLong : isTrailer ? .trailersTooLarge : .headTooLarge
            guard let length = try findLine(bytes, position, limit: limit, tooLong: tooLong, place: place) else {
                outcome = .needMore
                break
            }
            sectionSize &+= UInt32(truncatingIfNeeded: length &+ 2)
            let line = base + position
            let start = position &+ bias
            position &+= length &+ 2
            if length == 0 {
                outcome = .sectionEnd
                break
            }
            if count == room { throw fieldError(.tooManyFields) }
            guard let parts = FieldLine(line, length) else { throw fault(in: line, length) }
            try note(line, parts, index: known &+ count)
            entries[count] = HTTPFieldStorage.Entry(
                nameStart: UInt32(truncatingIfNeeded: start),
                nameLength: UInt32(truncatingIfNeeded: parts.nameLength),
                valueStart: UInt32(truncatingIfNeeded: start &+ parts.valueStart),
                valueLength: UInt32(truncatingIfNeeded: parts.valueLength)
            )
            count &+= 1
        }
        if count > 0 {
            let end = outcome == .sectionEnd ? position - 2 : position
            fields.append(
                UnsafeRawBufferPointer(rebasing: bytes[runStart..<end]),
                UnsafeBufferPointer(rebasing: entries[..<count])
            )
        }
        return outcome
    }

    /// What is wrong with a line that is no ``FieldLine``.
    @inline(never)
    private func fault(in line: UnsafeRawPointer, _ length: Int) -> HTTPParseError {
        guard let nameLength = ASCII.firstNonToken(line, length) else { return fieldError(.missingColon, at: length) }
        guard line.load(fromByteOffset: nameLength, as: UInt8.self) == ASCII.colon, nameLength > 0 else {
            return nameError(line, length, at: nameLength)
        }
        let value = ASCII.trim(line, nameLength + 1..<length)
        let offset = ASCII.firstNonFieldValue(line + value.lowerBound, value.count) ?? 0
        return fieldError(.invalidFieldValue, at: value.lowerBound + offset, name: line, nameLength)
    }

    private func nameError(_ line: UnsafeRawPointer, _ length: Int, at offset: Int) -> HTTPParseError {
        let byte = line.load(fromByteOffset: offset, as: UInt8.self)
        if offset == 0 {
            if ASCII.isWhitespace(byte) { return fieldError(.lineFolding) }
            return fieldError(byte == ASCII.colon ? .emptyFieldName : .invalidFieldName)
        }
        if ASCII.isWhitespace(byte) {
            var next = offset
            while next < length, ASCII.isWhitespace(line.load(fromByteOffset: next, as: UInt8.self)) { next += 1 }
            if next < length, line.load(fromByteOffset: next, as: UInt8.self) == ASCII.colon {
                return fieldError(.whitespaceBeforeColon, at: offset, name: line, offset)
            }
        }
        for index in offset..<length where line.load(fromByteOffset: index, as: UInt8.self) == ASCII.colon {
            return fieldError(.invalidFieldName, at: offset)
        }
        return fieldError(.missingColon, at: length)
    }

    /// An error in the current line of fields. The name is a token and so is fit to be printed.
    @inline(never)
    func fieldError(
        _ kind: HTTPParseError.Kind,
        at offset: Int = 0,
        name: UnsafeRawPointer? = nil,
        _ nameLength: Int = 0
    ) -> HTTPParseError {
        HTTPParseError(
            kind,
            phase == .trailers ? .trailer : .field,
            number: Int(number),
            offset: offset,
            fieldName: name.map {
                String(decoding: UnsafeRawBufferPointer(start: $0, count: min(nameLength, 64)), as: UTF8.self)
            }
        )
    }
}

/// Where the parts of a field line are: `field-name ":" OWS field-value OWS` (RFC 9112 §5), without exceptions.
struct FieldLine {
    let nameLength: Int
    let valueStart: Int
    let valueLength: Int

    /// Nil if the line is anything else.
    @inline(__always)
    init?(_ line: UnsafeRawPointer, _ length: Int) {
        guard let nameLength = ASCII.firstNonToken(line, length), nameLength > 0,
            line.load(fromByteOffset: nameLength, as: UInt8.self) == ASCII.colon
        else { return nil }
        let value = ASCII.trim(line, nameLength &+ 1..<length)
        self.nameLength = nameLength
        valueStart = value.lowerBound
        valueLength = value.upperBound &- value.lowerBound
        guard ASCII.firstNonFieldValue(line, value) == nil else { return nil }
    }
}
