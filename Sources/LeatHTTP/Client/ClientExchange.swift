import LeatLoop
import LeatNet
import LeatReactor

/// One request and its response, on one connection or, if that turns out to be stale, on a second. What it goes through is in
/// `ClientExchange+Sending` and `ClientExchange+Receiving`.
final class ClientExchange {
    // The parts of the request, rather than an `HTTPClientRequest`, which would be copied as a whole.
    let method: HTTPRequest.Method
    /// Nil once a collected response has it: moving it there is cheaper than a copy.
    @exclusivity(unchecked) var url: HTTPURL!
    let headerFields: HTTPFields
    let content: HTTPBody
    /// Whether the request has no fields of its own, and gets the lines that lie ready for its origin.
    let isPlain: Bool
    let callerAcceptsAnyCoding: Bool
    /// Outlives the exchange: it is what runs it.
    unowned(unsafe) let client: HTTPClient
    @exclusivity(unchecked) private(set) var times: ExchangeTimes
    @exclusivity(unchecked) private(set) var http: HTTPConnection!
    @exclusivity(unchecked) var receivedBefore = 0
    @exclusivity(unchecked) private var sentBefore = 0
    @exclusivity(unchecked) private var wasReused = false
    // The response as far as it has come. Here, and moved out at the end: variables of an asynchronous function are copied.
    @exclusivity(unchecked) var status = HTTPResponse.Status(code: 0, reasonPhrase: "")
    @exclusivity(unchecked) var responseFields = HTTPFields()
    @exclusivity(unchecked) var responseFraming = HTTPBodyFraming.none
    @exclusivity(unchecked) var body: [UInt8] = []
    @exclusivity(unchecked) var decoder: ContentDecoder?
    /// Whether the head of the final response is there.
    @exclusivity(unchecked) var hasHead = false
    /// Whether part of the request was not sent, so that the connection is of no more use.
    @exclusivity(unchecked) var isCutShort = false
    /// Whether the caller can make use of a connection that is no longer HTTP; see ``HTTPClient/upgrade(_:to:_:)``.
    @exclusivity(unchecked) var mayUpgrade = false
    /// Whether the server lets the connection serve another request.
    @exclusivity(unchecked) var serverKeepsAlive = false
    @exclusivity(unchecked) var isComplete = false
    @exclusivity(unchecked) var hasBegun = false

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
    func use(_ connection: PooledConnection) {
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
        (!hasBegun || http.takeBackOutput()) && !http.sawEnd && http.bytesReceived == receivedBefore
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

    func isReset(_ error: any Error) -> Bool {
        let cause = (error as? HTTPError)?.underlying ?? error
        return (cause as? NetworkError)?.kind == .reset
    }
}
