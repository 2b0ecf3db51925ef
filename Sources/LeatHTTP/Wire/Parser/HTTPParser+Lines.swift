internal import Glibc

extension HTTPParser {
    /// Finds the end of the line that starts at `position`, and counts the line.
    ///
    /// Whether the line is too long depends on its octets only, not on how they arrived: an incomplete line is refused
    /// when no continuation could bring it within the limit, and the length of a complete one is checked before
    /// anything else about it.
    ///
    /// - Parameters:
    ///   - limit: The longest content, in octets without CR LF; below zero, nothing fits.
    ///   - tooLong: The error for a longer one.
    /// - Returns: The length of the content, or nil if the line is not complete.
    @inline(__always)
    mutating func findLine(
        _ bytes: UnsafeRawBufferPointer,
        _ position: Int,
        limit: Int,
        tooLong: HTTPParseError.Kind,
        place: HTTPParseError.Place
    ) throws(HTTPParseError) -> Int? {
        let available = bytes.count - position
        let searched = Int(scanned)
        guard available > searched, let base = bytes.baseAddress,
            let found = memchr(base + position + searched, Int32(ASCII.lineFeed), available - searched)
        else {
            // One octet more than the limit may still be the CR.
            if available > limit + 1 { throw lineError(tooLong, place, at: limit) }
            scanned = UInt32(available)
            return nil
        }
        scanned = 0
        let lineFeed = UnsafeRawPointer(found) - (base + position)
        let endsWithCR =
            lineFeed > 0 && base.load(fromByteOffset: position + lineFeed - 1, as: UInt8.self) == ASCII.carriageReturn
        let length = endsWithCR ? lineFeed - 1 : lineFeed
        if length > limit { throw lineError(tooLong, place, at: limit) }
        guard endsWithCR else { throw lineError(.bareLineFeed, place, at: lineFeed) }
        number &+= 1
        return length
    }

    /// An error in the line whose end is being looked for: the one after line `number`.
    @inline(never)
    private func lineError(
        _ kind: HTTPParseError.Kind,
        _ place: HTTPParseError.Place,
        at offset: Int
    ) -> HTTPParseError {
        HTTPParseError(kind, place, number: Int(number) + 1, offset: max(offset, 0))
    }

    /// Consumes the start line. False if it is not complete.
    mutating func parseStartLine(
        _ bytes: UnsafeRawBufferPointer,
        _ position: inout Int
    ) throws(HTTPParseError) -> Bool {
        guard position < bytes.count, let base = bytes.baseAddress else { return false }
        if scanned == 0 { try checkStart(base.load(fromByteOffset: position, as: UInt8.self)) }
        let limit = min(Int(limits.startLine), Int(limits.head) - 2)
        let tooLong: HTTPParseError.Kind = limits.startLine <= limit ? .startLineTooLong : .headTooLarge
        guard
            let length = try findLine(bytes, position, limit: limit, tooLong: tooLong, place: .startLine)
        else { return false }
        let line = base + position
        position += length + 2
        if length == 0, role == .request {
            // RFC 9112 §2.2: one empty line before a request is ignored; old clients send it after a POST.
            flags.insert(.skippedEmptyLine)
            return true
        }
        startHead(lineLength: length)
        switch role {
        case .request: try parseRequestLine(line, length)
        case .response: try parseStatusLine(line, length)
        }
        phase = .fields
        return true
    }

    /// A TLS hello or other binary noise is refused at its first octet, not at the next LF or at the limit.
    private mutating func checkStart(_ first: UInt8) throws(HTTPParseError) {
        number = 0
        switch role {
        case .request:
            if ASCII.isToken(first) { return }
            guard first == ASCII.carriageReturn else { break }
            guard flags.contains(.skippedEmptyLine) else { return }
            throw HTTPParseError(.emptyStartLine, .startLine, number: 1)
        case .response:
            if first == UInt8(ascii: "H") { return }
        }
        throw HTTPParseError(.unexpectedStart, .startLine, number: 1)
    }

    private mutating func startHead(lineLength: Int) {
        sectionSize = UInt32(lineLength + 2)
        flags = []
        remaining = 0
        framing = .none
        hostIndex = -1
        fields = HTTPFields()
    }

    func startError(_ kind: HTTPParseError.Kind, at offset: Int = 0) -> HTTPParseError {
        HTTPParseError(kind, .startLine, number: Int(number), offset: offset)
    }
}

// MARK: - The request line

extension HTTPParser {
    /// The longest method that is looked at; the longest registered one has 17 octets.
    private static var maximumMethod: Int { 64 }

    /// `method SP request-target SP HTTP-version` (RFC 9112 §3).
    private mutating func parseRequestLine(_ line: UnsafeRawPointer, _ length: Int) throws(HTTPParseError) {
        let methodEnd = ASCII.firstNonToken(line, length) ?? length
        guard methodEnd > 0, methodEnd < length, line.load(fromByteOffset: methodEnd, as: UInt8.self) == ASCII.space
        else { throw startError(.invalidMethod, at: methodEnd) }
        if methodEnd > Self.maximumMethod { throw startError(.methodTooLong, at: Self.maximumMethod) }
        let targetStart = methodEnd + 1
        let rest = length - targetStart
        let targetEnd = targetStart + (ASCII.firstNonTarget(line + targetStart, rest) ?? rest)
        guard targetEnd > targetStart, targetEnd < length,
            line.load(fromByteOffset: targetEnd, as: UInt8.self) == ASCII.space
        else { throw startError(.invalidTarget, at: targetEnd) }
        try parseVersion(line, targetEnd + 1..<length)
        method = Self.method(line, methodEnd)
        try checkTarget(line + targetStart, targetEnd - targetStart, at: targetStart)
        let target = UnsafeRawBufferPointer(start: line + targetStart, count: targetEnd - targetStart)
        text = String(decoding: target, as: UTF8.self)
    }

    /// The commonest method without making a string; the others, being short, need no allocation either.
    @inline(__always)
    private static func method(_ start: UnsafeRawPointer, _ count: Int) -> HTTPRequest.Method {
        if count == 3, memcmp(start, "GET", 3) == 0 { return .get }
        return HTTPRequest.Method(
            unchecked: String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
        )
    }

    /// `HTTP/1.0` or `HTTP/1.1`, case-sensitive and to the last octet (RFC 9112 §2.3).
    private mutating func parseVersion(_ line: UnsafeRawPointer, _ range: Range<Int>) throws(HTTPParseError) {
        guard range.count == 8, memcmp(line + range.lowerBound, "HTTP/", 5) == 0 else {
            throw startError(.invalidVersion, at: range.lowerBound)
        }
        let major = line.load(fromByteOffset: range.lowerBound + 5, as: UInt8.self)
        let point = line.load(fromByteOffset: range.lowerBound + 6, as: UInt8.self)
        let minor = line.load(fromByteOffset: range.lowerBound + 7, as: UInt8.self)
        guard ASCII.isDigit(major), point == UInt8(ascii: "."), ASCII.isDigit(minor) else {
            throw startError(.invalidVersion, at: range.lowerBound)
        }
        guard major == UInt8(ascii: "1"), minor <= UInt8(ascii: "1") else {
            throw startError(.unsupportedVersion, at: range.lowerBound)
        }
        if minor == UInt8(ascii: "1") { flags.insert(.http11) }
    }

    /// The four forms of a request target, each for its methods (RFC 9112 §3.2).
    private func checkTarget(_ start: UnsafeRawPointer, _ count: Int, at offset: Int) throws(HTTPParseError) {
        let first = start.load(as: UInt8.self)
        if method == .connect {
            guard let authority = try? Authority(parsing: start, count), authority.port != nil else {
                throw startError(.invalidTarget, at: offset)
            }
        } else if first == ASCII.slash {
            return
        } else if count == 1, first == UInt8(ascii: "*") {
            guard method == .options else { throw startError(.invalidTarget, at: offset) }
        } else if let range = Self.authorityOfAbsoluteForm(start, count) {
            guard (try? Authority(parsing: start + range.lowerBound, range.count)) != nil else {
                throw startError(.invalidTarget, at: offset + range.lowerBound)
            }
        } else {
            throw startError(.invalidTarget, at: offset)
        }
    }

    /// Where the authority lies in an `http` or `https` URL; nil if the target is not one.
    static func authorityOfAbsoluteForm(_ start: UnsafeRawPointer, _ count: Int) -> Range<Int>? {
        let lower: Int
        if count > 7, ASCII.equalsIgnoringCase(start, 7, "http://") {
            lower = 7
        } else if count > 8, ASCII.equalsIgnoringCase(start, 8, "https://") {
            lower = 8
        } else {
            return nil
        }
        var upper = lower
        while upper < count {
            let byte = start.load(fromByteOffset: upper, as: UInt8.self)
            if byte == ASCII.slash || byte == UInt8(ascii: "?") { break }
            upper += 1
        }
        return lower..<upper
    }
}

// MARK: - The status line

extension HTTPParser {
    /// `HTTP-version SP status-code [ SP reason-phrase ]` (RFC 9112 §4). The space before an absent phrase is due by
    /// the grammar, but real servers leave it out, and nothing hangs on it.
    ///
    /// Codes from 600 to 999 are outside RFC 9110 and in use (LinkedIn's 999), so they are passed on.
    private mutating func parseStatusLine(_ line: UnsafeRawPointer, _ length: Int) throws(HTTPParseError) {
        try parseVersion(line, 0..<min(8, length))
        guard length >= 12, line.load(fromByteOffset: 8, as: UInt8.self) == ASCII.space else {
            throw startError(.invalidStatusLine, at: min(8, length))
        }
        guard let code = ASCII.decimal(line + 9, 3), code >= 100 else { throw startError(.invalidStatusCode, at: 9) }
        guard length == 12 || line.load(fromByteOffset: 12, as: UInt8.self) == ASCII.space else {
            throw startError(.invalidStatusCode, at: 12)
        }
        let phraseStart = min(13, length)
        let phraseLength = length - phraseStart
        if let offset = ASCII.firstNonFieldValue(line, phraseStart..<length) {
            throw startError(.invalidReasonPhrase, at: offset)
        }
        statusCode = UInt16(code)
        let usual = HTTPResponse.Status.standardReasonPhrase(for: code)
        let isUsual = usual.withBytes {
            $0.count == phraseLength && memcmp($0.baseAddress!, line + phraseStart, phraseLength) == 0
        }
        let phrase = UnsafeRawBufferPointer(start: line + phraseStart, count: phraseLength)
        text = isUsual ? usual : String(decoding: phrase, as: UTF8.self)
    }
}
