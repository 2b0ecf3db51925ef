extension HTTPParser {
    /// Consumes the complete field lines of a head or of a trailer section. True at the empty line which ends them.
    ///
    /// The lines at hand are located first and then copied at once, so that a head which arrives in one piece costs two
    /// allocations, whatever the number of fields.
    mutating func parseFieldLines(
        _ bytes: UnsafeRawBufferPointer,
        _ position: inout Int
    ) throws(HTTPParseError) -> Bool {
        var outcome = RunOutcome.full
        while outcome == .full {
            outcome = try withUnsafeTemporaryAllocation(of: HTTPFields.Entry.self, capacity: Self.runCapacity) {
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
        _ entries: UnsafeMutableBufferPointer<HTTPFields.Entry>
    ) throws(HTTPParseError) -> RunOutcome {
        let isTrailer = phase == .trailers
        let place: HTTPParseError.Place = isTrailer ? .trailer : .field
        let maximumSize = Int(isTrailer ? limits.trailerSection : limits.head)
        // Entries count from the start of the fields' storage, to whose end the run will be copied.
        let bias = fields.bytes.count - position
        let runStart = position
        var count = 0
        var outcome = RunOutcome.full
        while count < entries.count {
            let limit = min(Int(limits.fieldLine), maximumSize - Int(sectionSize) - 2)
            let tooLong: HTTPParseError.Kind =
                limits.fieldLine <= limit ? .fieldLineTooLong : isTrailer ? .trailersTooLarge : .headTooLarge
            guard let length = try findLine(bytes, position, limit: limit, tooLong: tooLong, place: place) else {
                outcome = .needMore
                break
            }
            sectionSize += UInt32(length + 2)
            let start = position
            position += length + 2
            if length == 0 {
                outcome = .sectionEnd
                break
            }
            if fields.count + count >= limits.fieldCount { throw fieldError(.tooManyFields) }
            let line = bytes.baseAddress! + start
            let (nameLength, value) = try parseFieldLine(line, length)
            try note(line, nameLength, value, index: fields.count + count)
            entries[count] = HTTPFields.Entry(
                nameStart: UInt32(start + bias),
                nameLength: UInt32(nameLength),
                valueStart: UInt32(start + bias + value.lowerBound),
                valueLength: UInt32(value.count)
            )
            count += 1
        }
        if count > 0 {
            let end = outcome == .sectionEnd ? position - 2 : position
            fields.appendRun(
                UnsafeRawBufferPointer(rebasing: bytes[runStart..<end]),
                UnsafeBufferPointer(rebasing: entries[..<count])
            )
        }
        return outcome
    }

    /// `field-name ":" OWS field-value OWS` (RFC 9112 §5), without exceptions.
    @inline(__always)
    private func parseFieldLine(
        _ line: UnsafeRawPointer,
        _ length: Int
    ) throws(HTTPParseError) -> (nameLength: Int, value: Range<Int>) {
        guard let nameLength = ASCII.firstNonToken(line, length) else { throw fieldError(.missingColon, at: length) }
        guard line.load(fromByteOffset: nameLength, as: UInt8.self) == ASCII.colon, nameLength > 0 else {
            throw nameError(line, length, at: nameLength)
        }
        let value = ASCII.trim(line, nameLength + 1..<length)
        if let offset = ASCII.firstNonFieldValue(line + value.lowerBound, value.count) {
            throw fieldError(.invalidFieldValue, at: value.lowerBound + offset, name: line, nameLength)
        }
        return (nameLength, value)
    }

    @inline(never)
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

extension HTTPFields {
    /// Adds fields in wire form, whose entries already count from the start of ``bytes``.
    fileprivate mutating func appendRun(_ wire: UnsafeRawBufferPointer, _ located: UnsafeBufferPointer<Entry>) {
        if entries.isEmpty {
            bytes = Array(wire)
            entries = Array(located)
        } else {
            bytes.append(contentsOf: wire)
            entries.append(contentsOf: located)
        }
    }
}
