internal import LeatHTTP

/// One run of a parser over some bytes, and what came out. Neighbouring pieces of body are put together: splits must not
/// show. What has to hold within a run is checked while it goes on.
struct ParserRun {
    enum Event: Equatable {
        case request(HTTPRequestHead)
        /// With the reason phrase, which does not count when statuses are compared.
        case response(HTTPResponseHead, reason: String)
        case body([UInt8])
        case end(trailers: HTTPFields)
        case finish(HTTPParser.Finish, unconsumed: Int)
        case failure(HTTPParseError)
    }

    private(set) var events: [Event] = []

    private let limits: HTTPLimits
    private let method: HTTPRequest.Method
    private var parser: HTTPParser
    /// Reads the heads that it can read, before the parser is asked, as in a server.
    private let scanner: RequestScanner?
    /// The framing of the message whose body is being read; nil between messages.
    private var framing: HTTPBodyFraming?
    private var bodyLength = 0
    private var interimResponses = 0

    /// Feeds `input` to a fresh parser, and to a scanner before it if there is one, in pieces; then the end of the connection.
    init(
        _ input: [UInt8],
        _ role: HTTPParser.Role,
        limits: HTTPLimits,
        answering method: HTTPRequest.Method = .get,
        in pieces: Pieces,
        scanner: RequestScanner? = nil
    ) throws {
        self.limits = limits
        self.method = method
        self.scanner = scanner
        parser = HTTPParser(role: role, limits: limits)
        parser.expectResponse(to: method)
        var pending: [UInt8] = []
        var fed = 0
        for length in pieces.lengths {
            let end = min(fed + length, input.count)
            pending += input[fed..<end]
            fed = end
            guard let consumed = try drain(pending) else {
                try checkThatItStays(pending)
                return
            }
            pending.removeFirst(consumed)
            try require(framing == .tunnel || pending.count <= longestLine + 1, "\(pending.count) octets were kept")
        }
        do throws(HTTPParseError) {
            events.append(.finish(try parser.finish(), unconsumed: pending.count))
        } catch {
            events.append(.failure(error))
            try checkThatItStays(pending)
        }
    }

    /// The longest line that the limits allow: with its CR, what a parser may leave for the next read.
    private var longestLine: Int {
        max(limits.maximumStartLine, limits.maximumFieldLine, 16 + limits.maximumChunkExtensions)
    }

    /// Parses until more is needed. Returns how much was consumed; nil after an error.
    private mutating func drain(_ bytes: [UInt8]) throws -> Int? {
        var position = 0
        while true {
            if try scan(bytes, &position) { continue }
            let start = position
            let event: HTTPParser.Event
            do throws(HTTPParseError) {
                event = try parse(bytes, &position)
            } catch {
                try require(!"\(error)".isEmpty && error.offset >= 0 && error.number >= 0, "an error without a place")
                events.append(.failure(error))
                return nil
            }
            try require(start <= position && position <= bytes.count, "at \(position) of \(bytes.count)")
            switch event {
            case .needMore:
                var again = position
                let second = try? parse(bytes, &again)
                try require(
                    second == .needMore && again == position,
                    "\(String(describing: second)) without more bytes"
                )
                return position
            case .head:
                try takeHead()
            case .body(let range):
                try require(!range.isEmpty && range.lowerBound >= start, "body \(range) from \(start)")
                try require(range.upperBound, equals: position, "the end of a piece of body")
                try takeBody(bytes[range])
            case .end:
                try takeEnd()
            }
        }
    }

    /// Lets the scanner read a head. Returns whether it did.
    private mutating func scan(_ bytes: [UInt8], _ position: inout Int) throws -> Bool {
        guard let scanner, parser.isIdle else { return false }
        let rest = Array(bytes[position...])
        let length = rest.withExactCopy { scanner.scan($0) }
        try require((0...rest.count).contains(length), "scanned \(length) of \(rest.count)")
        if length == 0 { return false }
        position += length
        parser.skipHead(bodyLength: scanner.contentLength)
        try take(scanner.head)
        if scanner.contentLength <= 0 { try takeEnd() }
        return true
    }

    private mutating func parse(_ bytes: [UInt8], _ position: inout Int) throws(HTTPParseError) -> HTTPParser.Event {
        let result = bytes.withExactCopy { buffer in
            Result<HTTPParser.Event, HTTPParseError> { () throws(HTTPParseError) in
                try parser.parse(buffer, consumed: &position)
            }
        }
        return try result.get()
    }

    /// An error is the last word of a parser.
    private mutating func checkThatItStays(_ bytes: [UInt8]) throws {
        for _ in 0..<2 {
            do {
                var position = 0
                let event = try parse(bytes, &position)
                throw FuzzFailure(description: "\(event) after an error")
            } catch let error as HTTPParseError {
                try require(error.kind, equals: .failedBefore, "after an error")
            }
        }
        do {
            let finish = try parser.finish()
            throw FuzzFailure(description: "\(finish) after an error")
        } catch let error as HTTPParseError {
            try require(error.kind, equals: .failedBefore, "after an error")
        }
    }
}

// MARK: - What comes out

extension ParserRun {
    private mutating func takeHead() throws {
        switch parser.role {
        case .request:
            try take(parser.takeRequestHead())
        case .response:
            try require(framing == nil, "a head within a message")
            bodyLength = 0
            let head = parser.takeResponseHead()
            try check(head.response.headerFields, size: limits.maximumHead)
            interimResponses = head.isInterim ? interimResponses + 1 : 0
            try require(interimResponses <= limits.maximumInterimResponses, "\(interimResponses) interim responses")
            framing = head.isInterim ? nil : head.framing
            events.append(.response(head, reason: head.response.status.reasonPhrase))
        }
    }

    private mutating func take(_ head: HTTPRequestHead) throws {
        try require(framing == nil, "a head within a message")
        bodyLength = 0
        try check(head.request.headerFields, size: limits.maximumHead)
        framing = head.framing
        events.append(.request(head))
    }

    private mutating func takeBody(_ bytes: ArraySlice<UInt8>) throws {
        bodyLength += bytes.count
        switch framing {
        case .length(let length): try require(bodyLength <= length, "\(bodyLength) octets of \(length)")
        case .chunked, .untilClose: break
        default: throw FuzzFailure(description: "a body with the framing \(String(describing: framing))")
        }
        if case .body(let before)? = events.last {
            events[events.count - 1] = .body(before + bytes)
        } else {
            events.append(.body(Array(bytes)))
        }
    }

    private mutating func takeEnd() throws {
        let trailers = parser.takeTrailers()
        switch framing {
        case .length(let length): try require(bodyLength, equals: length, "octets of body")
        case .chunked: try check(trailers, size: limits.maximumTrailerSection)
        case Optional.none, .untilClose, .tunnel:
            throw FuzzFailure(description: "an end with the framing \(String(describing: framing))")
        case .some(.none): try require(bodyLength, equals: 0, "octets of no body")
        }
        if framing != .chunked { try require(trailers.isEmpty, "trailers without chunks") }
        framing = nil
        events.append(.end(trailers: trailers))
        parser.expectResponse(to: method)
    }

    private func check(_ fields: HTTPFields, size: Int) throws {
        try require(fields.count <= limits.maximumFieldCount, "\(fields.count) fields")
        try require(fields.byteCount <= size, "\(fields.byteCount) octets of fields")
        for field in fields {
            try require(HTTPField.Name(field.name.rawName) != nil && field.isValid, "the field \(field)")
            try require(field.name.rawName.utf8.count <= limits.maximumFieldLine, "the field \(field)")
        }
    }

    /// What a client or a server would see: the body of the first message, if it is complete, and its trailers.
    var firstMessage: (body: [UInt8], trailers: HTTPFields)? {
        var body: [UInt8] = []
        for event in events {
            switch event {
            case .body(let bytes): body += bytes
            case .end(let trailers): return (body, trailers)
            default: break
            }
        }
        return nil
    }
}

// MARK: - Differences between runs

extension ParserRun {
    /// Runs the parser over the whole input, and checks that neither octets one by one nor `pieces` give anything else.
    static func checkingSplits(
        _ input: [UInt8],
        _ role: HTTPParser.Role,
        limits: HTTPLimits,
        answering method: HTTPRequest.Method = .get,
        seed: UInt8
    ) throws -> ParserRun {
        let whole = try ParserRun(input, role, limits: limits, answering: method, in: .whole(input.count))
        for pieces in [Pieces.octets(input.count), Pieces(input.count, seed: seed)] {
            let split = try ParserRun(input, role, limits: limits, answering: method, in: pieces)
            try require(split.events, equals: whole.events, "split as \(pieces.lengths)")
        }
        return whole
    }
}

extension HTTPLimits {
    /// Limits that small inputs reach.
    static var tight: HTTPLimits {
        var limits = HTTPLimits()
        limits.maximumStartLine = 40
        limits.maximumFieldLine = 32
        limits.maximumHead = 120
        limits.maximumFieldCount = 4
        limits.maximumTrailerSection = 48
        limits.maximumChunkExtensions = 8
        limits.maximumInterimResponses = 2
        return limits
    }

    /// Limits that no input of a fuzzer reaches.
    static var wide: HTTPLimits {
        var limits = HTTPLimits()
        limits.maximumStartLine = 1 << 20
        limits.maximumFieldLine = 1 << 20
        limits.maximumHead = 1 << 20
        limits.maximumFieldCount = 1 << 16
        limits.maximumTrailerSection = 1 << 20
        return limits
    }
}
