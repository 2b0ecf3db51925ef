// What the fields of a head say about the end of the body and the fate of the connection (RFC 9112 §6 and §9).

extension HTTPParser {
    /// Looks at one field; most are told apart by their length alone.
    @inline(__always)
    mutating func note(_ line: UnsafeRawPointer, _ parts: FieldLine, index: Int) throws(HTTPParseError) {
        switch parts.nameLength {
        case 4, 6, 7, 10, 14, 16, 17: try noteByName(line, parts, index: index)
        default: break
        }
    }

    private mutating func noteByName(
        _ line: UnsafeRawPointer,
        _ parts: FieldLine,
        index: Int
    ) throws(HTTPParseError) {
        let nameLength = parts.nameLength
        let value = parts.valueStart..<parts.valueStart &+ parts.valueLength
        switch nameLength {
        case 4 where ASCII.equalsIgnoringCase(line, 4, "host"):
            try noteHost(line, value, index: index)
        case 6 where ASCII.equalsIgnoringCase(line, 6, "expect"):
            if ASCII.equalsIgnoringCase(line + value.lowerBound, value.count, "100-continue") {
                flags.insert(.expectContinue)
            }
        case 7 where ASCII.equalsIgnoringCase(line, 7, "upgrade"):
            flags.insert(.upgradeField)
        case 10 where ASCII.equalsIgnoringCase(line, 10, "connection"):
            if phase != .trailers { noteConnection(line + value.lowerBound, value.count) }
        case 14 where ASCII.equalsIgnoringCase(line, 14, "content-length"):
            try noteContentLength(line, nameLength, value)
        case 16 where ASCII.equalsIgnoringCase(line, 16, "content-encoding"):
            flags.insert(.contentEncoding)
        case 17 where ASCII.equalsIgnoringCase(line, 17, "transfer-encoding"):
            try noteTransferEncoding(line, nameLength, value)
        default:
            break
        }
    }

    /// A request has one Host, syntactically valid (RFC 9112 §3.2). An empty one stands for "no authority".
    private mutating func noteHost(
        _ line: UnsafeRawPointer,
        _ value: Range<Int>,
        index: Int
    ) throws(HTTPParseError) {
        try refuseInTrailers(line, 4)
        guard role == .request else { return }
        if hostIndex >= 0 { throw fieldError(.duplicateHost, name: line, 4) }
        hostIndex = Int32(index)
        if value.isEmpty { return }
        do throws(Authority.SyntaxError) {
            _ = try Authority(parsing: line + value.lowerBound, value.count)
        } catch {
            throw fieldError(.invalidHost, at: value.lowerBound + error.offset, name: line, 4)
        }
    }

    private mutating func noteConnection(_ value: UnsafeRawPointer, _ count: Int) {
        var seen: Flags = []
        ASCII.forEachListElement(value, count) { option, count in
            if ASCII.equalsIgnoringCase(option, count, "close") { seen.insert(.close) }
            if ASCII.equalsIgnoringCase(option, count, "keep-alive") { seen.insert(.keepAlive) }
            if ASCII.equalsIgnoringCase(option, count, "upgrade") { seen.insert(.connectionUpgrade) }
        }
        flags.formUnion(seen)
    }

    /// One line with one number. A repeated number is refused even if it is the same one: nobody needs it.
    private mutating func noteContentLength(
        _ line: UnsafeRawPointer,
        _ nameLength: Int,
        _ value: Range<Int>
    ) throws(HTTPParseError) {
        try refuseInTrailers(line, nameLength)
        if flags.contains(.contentLength) { throw fieldError(.duplicateContentLength, name: line, nameLength) }
        if flags.contains(.chunked) { throw fieldError(.lengthAndTransferEncoding, name: line, nameLength) }
        guard let length = ASCII.decimal(line + value.lowerBound, value.count) else {
            throw fieldError(.invalidContentLength, at: value.lowerBound, name: line, nameLength)
        }
        flags.insert(.contentLength)
        remaining = length
    }

    /// `chunked`, alone and once: this library knows no other transfer coding.
    private mutating func noteTransferEncoding(
        _ line: UnsafeRawPointer,
        _ nameLength: Int,
        _ value: Range<Int>
    ) throws(HTTPParseError) {
        try refuseInTrailers(line, nameLength)
        if !flags.contains(.http11) { throw fieldError(.transferEncodingInHTTP10, name: line, nameLength) }
        if flags.contains(.contentLength) { throw fieldError(.lengthAndTransferEncoding, name: line, nameLength) }
        if flags.contains(.chunked) { throw fieldError(.invalidTransferEncoding, name: line, nameLength) }
        guard ASCII.equalsIgnoringCase(line + value.lowerBound, value.count, "chunked") else {
            let kind: HTTPParseError.Kind =
                Self.isUnknownCoding(line + value.lowerBound, value.count)
                ? .unsupportedTransferCoding : .invalidTransferEncoding
            throw fieldError(kind, at: value.lowerBound, name: line, nameLength)
        }
        flags.insert(.chunked)
    }

    /// Whether the value is a well-formed list of codings in which `chunked` is, if present, the last: then the coding
    /// is just not implemented (501); otherwise the message is malformed (400).
    private static func isUnknownCoding(_ value: UnsafeRawPointer, _ count: Int) -> Bool {
        var isWellFormed = true
        var sawChunked = false
        ASCII.forEachListElement(value, count) { element, count in
            if sawChunked || !ASCII.isToken(element, count) { isWellFormed = false }
            if ASCII.equalsIgnoringCase(element, count, "chunked") { sawChunked = true }
        }
        return isWellFormed
    }

    /// Fields that decide framing or routing come too late in a trailer section. They are refused, not ignored:
    /// their only use there is an attack on a recipient that merges them (RFC 9110 §6.5.1).
    private func refuseInTrailers(_ line: UnsafeRawPointer, _ nameLength: Int) throws(HTTPParseError) {
        if phase == .trailers { throw fieldError(.forbiddenTrailer, name: line, nameLength) }
    }
}

// MARK: - The end of a head

extension HTTPParser {
    /// Decides on the body, and with it on the next phase.
    mutating func finishHead() throws(HTTPParseError) {
        switch role {
        case .request: try finishRequestHead()
        case .response: try finishResponseHead()
        }
    }

    private mutating func finishRequestHead() throws(HTTPParseError) {
        if hostIndex < 0, flags.contains(.http11) {
            throw HTTPParseError(.missingHost, .head, number: 0)
        }
        if flags.contains(.chunked) {
            startBody(.chunked)
        } else {
            startBody(flags.contains(.contentLength) ? .length(remaining) : .none)
        }
    }

    /// RFC 9112 §6.3, in its order.
    private mutating func finishResponseHead() throws(HTTPParseError) {
        if isInterim {
            if interimResponses >= limits.interimResponses {
                throw HTTPParseError(.tooManyInterimResponses, .head, number: 0)
            }
            interimResponses += 1
            framing = .none
            phase = .startLine
            return
        }
        interimResponses = 0
        let code = Int(statusCode)
        if code == 101 || expectation == .connect && (200..<300).contains(code) {
            startBody(.tunnel)
        } else if expectation == .head || code == 204 || code == 304 {
            startBody(.none)
        } else if flags.contains(.chunked) {
            startBody(.chunked)
        } else {
            startBody(flags.contains(.contentLength) ? .length(remaining) : .untilClose)
        }
        expectation = .body
    }

    /// 101 is final: what follows it is not HTTP.
    var isInterim: Bool { (100..<200).contains(statusCode) && statusCode != 101 }

    /// Tells the parser that a ``RequestScanner`` has read a request head in its place, and that a body of `bodyLength` bytes
    /// follows.
    @inline(__always)
    package mutating func skipHead(bodyLength: Int) {
        assert(phase == .startLine && scanned == 0)
        flags = []
        guard bodyLength > 0 else { return }
        flags = [.http11, .contentLength]
        // Trailers of an earlier message that nobody has taken are not those of this one.
        fields = HTTPFields()
        remaining = bodyLength
        startBody(.length(bodyLength))
    }

    /// Forgets what the last message has left behind, before the next connection.
    @inline(__always)
    mutating func reset() {
        assert(phase == .startLine && scanned == 0)
        flags = []
        if fields.storage != nil { fields = HTTPFields() }
    }

    private mutating func startBody(_ framing: HTTPBodyFraming) {
        self.framing = framing
        number = 0
        extensionSize = 0
        phase =
            switch framing {
            case .none: .messageEnd
            case .length(let length): length == 0 ? .messageEnd : .lengthBody
            case .chunked: .chunkSize
            case .untilClose: .untilClose
            case .tunnel: .tunnel
            }
    }

    private var keepsAlive: Bool {
        if flags.contains(.close) { return false }
        return flags.contains(.http11) || flags.contains(.keepAlive)
    }

    private var version: HTTPVersion { flags.contains(.http11) ? .http11 : .http10 }
}

// MARK: - Handing out

extension HTTPParser {
    /// The request head announced by `.head`. To be called once, before the next call of `parse`.
    package mutating func takeRequestHead() -> HTTPRequestHead {
        let fields = takeFields()
        let (scheme, authority) = destination(fields)
        let isHTTP11 = flags.contains(.http11)
        let head = HTTPRequestHead(
            request: HTTPRequest(
                method: method,
                scheme: scheme,
                authority: authority,
                path: text,
                headerFields: fields
            ),
            version: version,
            framing: framing,
            keepAlive: keepsAlive,
            // RFC 9110 §10.1.1: a server ignores the expectation in an HTTP/1.0 request.
            expectsContinue: isHTTP11 && flags.contains(.expectContinue),
            offersUpgrade: isHTTP11 && flags.isSuperset(of: [.connectionUpgrade, .upgradeField])
        )
        text = ""
        return head
    }

    /// The response head announced by `.head`. To be called once, before the next call of `parse`.
    @inline(__always)
    package mutating func takeResponseHead() -> HTTPResponseHead {
        var phrase = ""
        swap(&phrase, &text)
        return HTTPResponseHead(
            response: HTTPResponse(
                status: HTTPResponse.Status(code: Int(statusCode), reasonPhrase: phrase),
                headerFields: takeFields()
            ),
            version: version,
            framing: framing,
            keepAlive: keepsAlive && framing != .untilClose && framing != .tunnel,
            isInterim: isInterim,
            hasContentEncoding: flags.contains(.contentEncoding)
        )
    }

    /// The trailer fields of the message whose `.end` was reported last; empty if there were none.
    /// They are never merged into the header fields.
    package mutating func takeTrailers() -> HTTPFields {
        takeFields()
    }

    @inline(__always)
    private mutating func takeFields() -> HTTPFields {
        var taken = HTTPFields()
        swap(&taken, &fields)
        return taken
    }

    /// The scheme and the authority: those of an absolute target, which take precedence over Host (RFC 9112 §3.2.2).
    private func destination(_ fields: HTTPFields) -> (scheme: String?, authority: String?) {
        if method == .connect { return (nil, text) }
        if text.utf8.first != ASCII.slash, text != "*" {
            var target = text
            return target.withUTF8 { utf8 in
                guard let start = utf8.baseAddress,
                    let range = Self.authorityOfAbsoluteForm(UnsafeRawPointer(start), utf8.count)
                else { return (nil, nil) }
                return (range.lowerBound == 8 ? "https" : "http", String(decoding: utf8[range], as: UTF8.self))
            }
        }
        return (nil, hostIndex >= 0 ? fields.value(at: Int(hostIndex)) : nil)
    }
}
