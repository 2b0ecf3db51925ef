/// An incremental parser of HTTP/1.0 and HTTP/1.1 messages (RFC 9112), without input or output of its own.
///
/// Give it the bytes which have arrived, from the first one it has not consumed:
///
/// ```swift
/// while true {
///     switch try parser.parse(bytes, consumed: &position) {
///     case .needMore: …          // drop bytes[..<position], read, append, and call again
///     case .head: handle(parser.takeRequestHead())
///     case .body(let range): handle(bytes[range])
///     case .end: …               // the message is complete; the next one may follow
///     }
/// }
/// ```
///
/// Lines are consumed whole, bodies as they come, and nothing beyond the end of a message is touched. The parser holds
/// no pointers between calls, and however the bytes are split, the same messages come out, or the same error. How much
/// of an incomplete line was searched is remembered, so bytes that drip in one by one cost linear time.
///
/// It is strict, since each leniency is a way to make two parsers disagree about where a message ends. In particular,
/// a line ends with CR LF: RFC 9112 §2.2 lets a recipient accept LF alone, which no current sender needs and request
/// smuggling does (CVE-2022-32214). This holds for responses, too. White space before the colon, folded lines,
/// repeated Content-Length, and Content-Length together with Transfer-Encoding are refused and not repaired.
package struct HTTPParser: Sendable {
    package enum Role: UInt8, Sendable {
        /// A server's side: requests come in.
        case request
        /// A client's side: responses come in.
        case response
    }

    package enum Event: Equatable, Sendable {
        /// Everything usable has been consumed. Call again with more bytes after the unconsumed ones.
        case needMore
        /// A head is complete: fetch it with `takeRequestHead` or `takeResponseHead` before the next call.
        case head
        /// These bytes of the buffer belong to the body. The range is never empty.
        case body(Range<Int>)
        /// The message is complete. `takeTrailers` returns the fields after a chunked body.
        case end
    }

    enum Phase: UInt8 {
        case startLine, fields
        case lengthBody, chunkSize, chunkData, chunkEnd, trailers, untilClose
        case messageEnd, tunnel, failed
    }

    struct Flags: OptionSet {
        var rawValue: UInt16
        static var http11: Flags { Flags(rawValue: 1 << 0) }
        static var chunked: Flags { Flags(rawValue: 1 << 1) }
        static var close: Flags { Flags(rawValue: 1 << 2) }
        static var keepAlive: Flags { Flags(rawValue: 1 << 3) }
        static var connectionUpgrade: Flags { Flags(rawValue: 1 << 4) }
        static var upgradeField: Flags { Flags(rawValue: 1 << 5) }
        static var expectContinue: Flags { Flags(rawValue: 1 << 6) }
        static var contentLength: Flags { Flags(rawValue: 1 << 7) }
        static var skippedEmptyLine: Flags { Flags(rawValue: 1 << 8) }
        static var contentEncoding: Flags { Flags(rawValue: 1 << 9) }
    }

    /// The method of the request that the next response answers, as far as it bears on framing.
    enum Expectation: UInt8 {
        case body, head, connect
    }

    /// The limits in 4 octets each, since a server holds ten thousand parsers.
    let limits: CompactLimits
    package let role: Role
    var phase = Phase.startLine
    var flags = Flags()
    var expectation = Expectation.body
    var interimResponses: UInt8 = 0
    /// How many octets of the unconsumed, incomplete line have been searched for its end.
    var scanned: UInt32 = 0
    /// Octets consumed in the head or the trailer section.
    var sectionSize: UInt32 = 0
    /// How many lines of the head or the trailer section are complete, or how many chunks have begun.
    var number: UInt32 = 0
    /// Octets of chunk extensions in this body.
    var extensionSize: UInt32 = 0
    /// Octets left of a body with a length, or of a chunk. While the head is read, the value of Content-Length.
    var remaining = 0
    var framing = HTTPBodyFraming.none

    // The head being read.
    var method = HTTPRequest.Method.get
    var statusCode: UInt16 = 0
    /// The request target or the reason phrase.
    var text = ""
    var fields = HTTPFields()
    /// The index of the field Host, or -1.
    var hostIndex: Int32 = -1

    /// Makes a parser which waits for its first message.
    package init(role: Role, limits: HTTPLimits = HTTPLimits()) {
        self.role = role
        self.limits = CompactLimits(limits)
    }

    /// Says which request the next final response answers: it decides whether that has a body (RFC 9112 §6.3).
    /// Without this call it is taken to answer a `GET`. It holds for one final response and the interim ones before it,
    /// so it is to be called once for each request, in the order of the responses.
    package mutating func expectResponse(to method: HTTPRequest.Method) {
        expectation = method == .get ? .body : method == .head ? .head : method == .connect ? .connect : .body
    }

    /// Whether nothing of a message has been received since the last one ended.
    package var isIdle: Bool { phase == .startLine && scanned == 0 && interimResponses == 0 }

    /// Parses on.
    ///
    /// - Parameters:
    ///   - bytes: The buffer. It need not stay where it is between calls.
    ///   - consumed: Where in the buffer to go on; on return, up to where the bytes are used up.
    /// - Returns: What was found first.
    /// - Throws: What is wrong with the message. The connection is then of no more use.
    package mutating func parse(
        _ bytes: UnsafeRawBufferPointer,
        consumed: inout Int
    ) throws(HTTPParseError) -> Event {
        do throws(HTTPParseError) {
            return try step(bytes, &consumed)
        } catch {
            phase = .failed
            throw error
        }
    }

    private mutating func step(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) throws(HTTPParseError) -> Event {
        while true {
            switch phase {
            case .startLine:
                guard try parseStartLine(bytes, &position) else { return .needMore }
            case .fields:
                guard try parseFieldLines(bytes, &position) else { return .needMore }
                try finishHead()
                return .head
            case .lengthBody:
                guard let range = takeBody(bytes, &position) else { return .needMore }
                if remaining == 0 { phase = .messageEnd }
                return .body(range)
            case .chunkSize:
                guard try parseChunkSize(bytes, &position) else { return .needMore }
            case .chunkData:
                guard let range = takeBody(bytes, &position) else { return .needMore }
                if remaining == 0 { phase = .chunkEnd }
                return .body(range)
            case .chunkEnd:
                guard try parseChunkEnd(bytes, &position) else { return .needMore }
            case .trailers:
                guard try parseFieldLines(bytes, &position) else { return .needMore }
                phase = .messageEnd
            case .untilClose:
                guard position < bytes.count else { return .needMore }
                defer { position = bytes.count }
                return .body(position..<bytes.count)
            case .messageEnd:
                phase = .startLine
                return .end
            case .tunnel:
                return .needMore
            case .failed:
                throw HTTPParseError(.failedBefore, .head, number: 0)
            }
        }
    }

    /// What the end of the connection means.
    package enum Finish: Equatable, Sendable {
        /// No message was under way. (In a tunnel, the parser does not know.)
        case idle
        /// It ends the body of a response without a length: the message is complete.
        case endOfBody
    }

    /// Says that the peer has closed its side of the connection, and that all its bytes have been given to `parse`.
    ///
    /// - Throws: `.truncated` if a message was under way: a body that is shorter than announced is never a whole one.
    package mutating func finish() throws(HTTPParseError) -> Finish {
        switch phase {
        case .startLine where isIdle, .messageEnd, .tunnel:
            return .idle
        case .untilClose:
            phase = .startLine
            return .endOfBody
        case .failed:
            throw HTTPParseError(.failedBefore, .head, number: 0)
        case .startLine, .fields:
            phase = .failed
            throw HTTPParseError(.truncated, .head, number: 0)
        case .lengthBody, .chunkSize, .chunkData, .chunkEnd, .trailers:
            phase = .failed
            throw HTTPParseError(.truncated, .body, number: 0)
        }
    }
}

/// ``HTTPLimits`` in half the space.
struct CompactLimits: Sendable {
    var startLine, fieldLine, head, fieldCount, trailerSection, chunkExtensions, interimResponses: UInt32

    init(_ limits: HTTPLimits) {
        func clamp(_ value: Int) -> UInt32 { UInt32(clamping: min(value, Int(Int32.max))) }
        startLine = clamp(limits.maximumStartLine)
        fieldLine = clamp(limits.maximumFieldLine)
        head = clamp(limits.maximumHead)
        fieldCount = clamp(limits.maximumFieldCount)
        trailerSection = clamp(limits.maximumTrailerSection)
        chunkExtensions = clamp(limits.maximumChunkExtensions)
        interimResponses = min(clamp(limits.maximumInterimResponses), UInt32(UInt8.max) - 1)
    }
}
