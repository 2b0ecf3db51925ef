import LeatLoop
import LeatNet
import LeatReactor

/// One request and its response, on one connection or, if that turns out to be stale, on a second.
final class ClientExchange {
    // The parts of the request, rather than an `HTTPRequest`, which is six references to copy.
    private let method: HTTPRequest.Method
    /// Nil once a collected response has it: moving it there is cheaper than a copy.
    private(set) var url: HTTPURL!
    private let headerFields: HTTPFields
    private let content: HTTPBody
    /// Whether the request has no fields of its own, and gets the lines that lie ready for its origin.
    private let isPlain: Bool
    private let callerAcceptsAnyCoding: Bool
    /// Outlives the exchange: it is what runs it.
    private unowned(unsafe) let client: HTTPClient
    @exclusivity(unchecked) private(set) var times: ExchangeTimes
    @exclusivity(unchecked) private(set) var http: HTTPConnection!
    @exclusivity(unchecked) private var receivedBefore = 0
    @exclusivity(unchecked) private var sentBefore = 0
    @exclusivity(unchecked) private var wasReused = false
    // The response as far as it has come. Here, and moved out at the end: variables of an asynchronous function are copied.
    @exclusivity(unchecked) private var status = HTTPResponse.Status(code: 0, reasonPhrase: "")
    @exclusivity(unchecked) private var responseFields = HTTPFields()
    @exclusivity(unchecked) private var responseFraming = HTTPBodyFraming.none
    @exclusivity(unchecked) private var body: [UInt8] = []
    @exclusivity(unchecked) private var decoder: ContentDecoder?
    /// Whether the head of the final response is there.
    @exclusivity(unchecked) private var hasHead = false
    /// Whether part of the request was not sent, so that the connection is of no more use.
    private(set) var isCutShort = false
    /// Whether the caller can make use of a connection that is no longer HTTP; see ``HTTPClient/upgrade(_:to:_:)``.
    @exclusivity(unchecked) var mayUpgrade = false
    /// Whether the server lets the connection serve another request.
    @exclusivity(unchecked) private var serverKeepsAlive = false
    @exclusivity(unchecked) private var isComplete = false
    @exclusivity(unchecked) private var hasBegun = false

    /// - Parameters:
    ///   - headerFields: The caller's fields, and what the client adds to them.
    ///   - isPlain: Whether there are none, and the origin's own lines are to be sent.
    ///   - acceptsAnyCoding: Whether the caller has not said which codings of the body it takes.
    init(
        _ method: HTTPRequest.Method,
        _ url: HTTPURL,
        headerFields: HTTPFields,
        _ content: HTTPBody,
        client: HTTPClient,
        _ times: ExchangeTimes,
        isPlain: Bool,
        acceptsAnyCoding: Bool
    ) {
        self.method = method
        self.url = url
        self.headerFields = headerFields
        self.content = content
        self.client = client
        self.times = times
        self.isPlain = isPlain
        callerAcceptsAnyCoding = acceptsAnyCoding
    }

    /// The connection for the next attempt.
    private func use(_ connection: PooledConnection) {
        http = connection.http
        hasBegun = false
        isCutShort = false
        receivedBefore = http.bytesReceived
        sentBefore = http.bytesSent
        wasReused = connection.isReused
        if wasReused { times.observation?.note(.connectionReused) }
    }

    /// Adds what this attempt has moved.
    func account(to metrics: inout HTTPClientMetrics) {
        metrics.bytesReceived &+= http.bytesReceived &- receivedBefore
        metrics.bytesSent &+= http.bytesSent &- sentBefore
        if wasReused { metrics.connectionsReused &+= 1 }
    }

    /// Whether sending the request twice does no harm.
    var mayBeRepeated: Bool { content.isReplayable && method.isIdempotent }

    /// Waits for the turn that a rate limit gives. That takes nothing from the request's own time, but a
    /// ``withDeadline(_:_:)`` around it holds. Throws ``HTTPError`` of kind `.timeout` if the turn comes after that.
    func wait(for limiter: RateLimiter) async throws {
        let loop = client.loop
        let scoped = loop.scopedDeadline ?? .distantFuture
        let before = loop.clock.now
        guard try await limiter.acquire(until: scoped) else {
            times.deadline = scoped
            throw times.describe(NetworkError.timedOut("rate limit"), in: .rate, limit: .max, now: loop.clock.now)
        }
        times.postpone(by: before.duration(to: loop.clock.now), until: scoped)
    }

    // MARK: Sending

    /// Up to this size a body is sent in the same system call as the head.
    private static var copiedSize: Int { 16384 }

    /// Has the request sent over a connection if that needs no waiting. Otherwise returns false: ``finishSending()`` does the
    /// rest.
    func trySend(over connection: PooledConnection) throws -> Bool {
        use(connection)
        let http = connection.http
        http.parser.expectResponse(to: method)
        do throws(HTTPEncodingError) {
            try appendHead(to: http, connection.origin)
        } catch {
            throw HTTPError(.invalidRequest, "\(error)", underlying: error)
        }
        hasBegun = true
        times.observation?.note(.requestHeadSent)
        switch content.content {
        case .none:
            break
        case .bytes(let bytes) where travelsWithHead(bytes):
            http.output += bytes
            times.observation?.note(.requestChunkSent(bytes: bytes.count))
        case .bytes, .stream:
            return false
        }
        http.flushLater()
        return true
    }

    private func travelsWithHead(_ body: [UInt8]) -> Bool {
        body.count <= Self.copiedSize && !headerFields.contains(.expect)
    }

    private func appendHead(to http: HTTPConnection, _ origin: OriginPool) throws(HTTPEncodingError) {
        if isPlain {
            return try HTTPEncoder.appendPlainRequestHead(
                method: method,
                target: url.path,
                lines: origin.plainLines,
                framing: framing,
                to: &http.output
            )
        }
        try HTTPEncoder.appendRequestHead(
            method: method,
            target: origin.target(of: url),
            authority: origin.authority,
            headerFields: origin.fields(headerFields),
            framing: framing,
            to: &http.output
        )
    }

    /// Sends what ``trySend()`` could not, and stops if the server answers before it has everything.
    func finishSending() async throws {
        let http = http!
        http.inputStopsSending = { [unowned self] in try takeEarlyHead() }
        defer { http.inputStopsSending = nil }
        do {
            try await http.flush(timeout: times.readTimeout, deadline: times.deadline)
            if try await isAnsweredBeforeBody() { return }
            try await sendBody()
        } catch {
            // The server stopped listening. It may have said why: read its answer.
            guard hasHead || isReset(error) && http.socket.mayBeReadable else {
                throw times.describe(error, in: .send, limit: times.readTimeout, now: http.loop.now)
            }
            isCutShort = true
            http.output.removeAll()
        }
    }

    private func sendBody() async throws {
        switch content.content {
        case .bytes(let bytes) where !travelsWithHead(bytes):
            try await http.send(bytes, timeout: times.readTimeout, deadline: times.deadline)
            times.observation?.note(.requestChunkSent(bytes: bytes.count))
        case .stream(_, let produce):
            let writer = HTTPBodyWriter(http, framing: framing, times)
            // A stream that comes in drops is never stuck, where an answer is looked for; so look for a refusal.
            writer.isRefused = { [unowned self] in try takeEarlyHead() && self.status.code >= 400 }
            defer { writer.invalidate() }
            try await produce(writer)
            try await writer.finish()
        default:
            break
        }
    }

    private func isReset(_ error: any Error) -> Bool {
        let cause = (error as? HTTPError)?.underlying ?? error
        return (cause as? NetworkError)?.kind == .reset
    }

    /// Whether the final head of the response is there, although the request is still being sent.
    private func takeEarlyHead() throws -> Bool {
        while !hasHead {
            if case .head = try http.tryNext() {
                _ = try takeHead(http)
            } else {
                guard !http.sawEnd, try http.tryFill() else { break }
            }
        }
        return hasHead
    }

    /// A request with `Expect: 100-continue` holds its body back until the server says that it wants it, or says nothing for
    /// a second (RFC 9110 §10.1.1). Returns whether it was answered instead, and the body is not to be sent.
    private func isAnsweredBeforeBody() async throws -> Bool {
        guard headerFields.contains(token: "100-continue", in: .expect), framing != .none else { return false }
        let deadline = min(http.loop.now.advanced(by: .seconds(1)), times.deadline)
        do {
            while try await http.fill(deadline: deadline) {
                guard case .head = try http.tryNext() else { continue }
                isCutShort = try takeHead(http)
                return isCutShort
            }
            throw HTTPError.peerClosed()
        } catch let error as NetworkError where error.kind == .timedOut {
            return false
        }
    }

    private var framing: HTTPBodyFraming {
        switch content.content {
        // A method whose requests usually have a body says that this one is empty (RFC 9110 §8.6).
        case .none: method != .get && (method == .post || method == .put || method == .patch) ? .length(0) : .none
        case .bytes(let bytes): .length(bytes.count)
        case .stream(.some(let length), _): .length(length)
        case .stream(nil, _): .chunked
        }
    }

    // MARK: Receiving

    private var hasResponseBegun: Bool { http.map { $0.bytesReceived > receivedBefore } ?? false }

    /// The longest wait for the next bytes, in nanoseconds.
    private var patience: Int64 { hasResponseBegun ? times.readTimeout : client.firstByteTimeout }

    /// Takes the head that the parser has just completed. Returns false if it is an interim one, and another follows. The
    /// parser bounds their number.
    private func takeHead(_ http: HTTPConnection) throws -> Bool {
        var head = http.parser.takeResponseHead()
        if head.isInterim { return false }
        guard head.framing != .tunnel || mayUpgrade else {
            throw HTTPError(.malformed, "the server switched protocols unasked (\(head.response.status.code))")
        }
        // Swapped, for an assignment would be a copy.
        swap(&status, &head.response.status)
        swap(&responseFields, &head.response.headerFields)
        responseFraming = head.framing
        serverKeepsAlive = head.keepAlive
        hasHead = true
        if let observation = times.observation {
            observation.note(.responseHeadReceived(HTTPResponse(status: status, headerFields: responseFields)))
        }
        if let cookies = client.configuration.cookies { cookies.store(responseFields, from: url) }
        // Nothing undoes the coding of a body if the caller has said which codings it wants.
        if head.hasContentEncoding, client.configuration.decompresses, callerAcceptsAnyCoding {
            decoder = try ContentDecoder.forResponse(status, &responseFields, framing: responseFraming)
        }
        return true
    }

    /// Receives the whole response.
    @inline(__always)
    func collect(_ http: HTTPConnection, upTo maximum: Int) async throws -> HTTPClientResponse {
        if hasHead { try prepareBody(upTo: maximum) }
        while true {
            switch try http.tryNext() {
            case .head:
                if try takeHead(http) { try prepareBody(upTo: maximum) }
            case .body(let bytes):
                try append(bytes, upTo: maximum)
            case .end:
                try decoder?.finish()
                isComplete = true
                return takeResponse(trailers: http.parser.takeTrailers())
            case nil:
                if http.awaitsLongBody, decoder == nil {
                    if try await receiveLongBody(http) { continue }
                } else if try await http.fill(timeout: patience, deadline: times.deadline) {
                    continue
                }
                guard case .endOfBody = try http.parser.finish() else { throw HTTPError.peerClosed() }
                try decoder?.finish()
                return takeResponse(trailers: HTTPFields())
            }
        }
    }

    private func prepareBody(upTo maximum: Int) throws {
        guard decoder == nil, case .length(let length) = responseFraming else { return }
        guard length <= maximum else { throw tooLarge(maximum) }
        // What is here in one piece becomes the body as it is.
        if http.unparsedCount < length { body.reserveBody(length, received: http.unparsedCount) }
    }

    @inline(never)
    private func tooLarge(_ maximum: Int) -> any Error { HTTPError.bodyTooLarge(limit: maximum) }

    private func receiveLongBody(_ http: HTTPConnection) async throws -> Bool {
        var body: [UInt8] = []
        // Swapped, since a field cannot be lent across a suspension.
        swap(&body, &self.body)
        defer { swap(&body, &self.body) }
        let before = body.count
        guard try await http.fill(&body, timeout: patience, deadline: times.deadline) else { return false }
        times.observation?.note(.responseChunkReceived(bytes: body.count - before))
        return true
    }

    @inline(__always)
    private func append(_ bytes: UnsafeRawBufferPointer, upTo maximum: Int) throws {
        times.observation?.note(.responseChunkReceived(bytes: bytes.count))
        if let decoder { return try decoder.decode(bytes, appendingTo: &body, upTo: maximum) }
        guard body.count + bytes.count <= maximum else { throw tooLarge(maximum) }
        if body.capacity == 0 { body = Array(bytes) } else { body.append(contentsOf: bytes) }
    }

    private func takeResponse(trailers: HTTPFields) -> HTTPClientResponse {
        var (fields, body, url) = (HTTPFields(), [UInt8](), HTTPURL?.none)
        swap(&fields, &responseFields)
        swap(&body, &self.body)
        swap(&url, &self.url)
        return HTTPClientResponse(status: status, headerFields: fields, body: body, trailers: trailers, url: url!)
    }

    enum StreamOutcome<R> {
        case value(R, HTTPResponse.Status)
        case redirect(HTTPResponse)
    }

    /// Hands the response to `handler`, which reads as much of the body as it likes; or returns it, if it says to go
    /// elsewhere and that is to be followed.
    func stream<R>(
        _ http: HTTPConnection,
        followingRedirects: Bool,
        to handler: (HTTPResponse, HTTPBodyReader) async throws -> R
    ) async throws -> StreamOutcome<R> {
        while !hasHead {
            if case .head = try http.tryNext() {
                _ = try takeHead(http)
            } else if !(try await http.fill(timeout: patience, deadline: times.deadline)) {
                throw HTTPError.peerClosed()
            }
        }
        let response = HTTPResponse(status: status, headerFields: responseFields)
        let reader = HTTPBodyReader(http, times: times, decoder: decoder)
        defer { reader.invalidate() }
        if followingRedirects, RedirectPolicy.leads(response.status, response.headerFields) {
            isComplete = reader.discardReceived()
            return .redirect(response)
        }
        let result = try await handler(response, reader)
        isComplete = reader.discardReceived()
        return .value(result, response.status)
    }

    // MARK: Afterwards

    /// Whether the next request may use this connection: the response was complete, both sides want to go on, and nothing
    /// else has arrived.
    var leavesConnectionReusable: Bool {
        isComplete && !isCutShort && http.output.isEmpty && serverKeepsAlive && !http.hasUnparsedBytes && !http.sawEnd
            && !headerFields.contains(token: "close", in: .connection)
    }

    /// Whether the request was refused, or taken back, before a byte of it was sent, so that the connection is as it was before.
    /// Nor may anything have come: a server can begin to answer before it is asked.
    func leavesConnectionUntouched() -> Bool {
        (!hasBegun || http.takeBackWrite()) && !http.sawEnd && http.bytesReceived == receivedBefore
            && http.isBetweenMessages
    }

    /// Whether `error` only says that a kept-alive connection had gone in the meantime: no byte of a response came.
    func foundConnectionStale(_ error: any Error) -> Bool {
        guard wasReused, http.bytesReceived == receivedBefore else { return false }
        if isReset(error) || (error as? HTTPError)?.kind == .incomplete { return true }
        // Many servers end without the farewell of TLS.
        return (error as? TLSError)?.kind == .truncated
    }

    /// What the caller is told.
    func describe(_ error: any Error) -> any Error {
        times.describe(error, in: hasResponseBegun ? .read : .firstByte, limit: patience, now: client.loop.now)
    }
}
