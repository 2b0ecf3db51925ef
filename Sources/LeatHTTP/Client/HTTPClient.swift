public import LeatLoop
import LeatNet
import LeatReactor

/// An HTTP/1.1 client with a pool of kept-alive connections: what `ClientSession` is to aiohttp.
///
/// ```swift
/// let client = HTTPClient()
/// let response = try await client.get("http://127.0.0.1:8080/")
/// print(response.status, response.text)
/// ```
///
/// Any number of tasks of one loop share a client. Requests beyond the limits of the pool wait in order. A response is
/// never delivered to a request that it does not belong to: a connection whose state is in doubt (after a cancellation,
/// a timeout, a malformed or an unfinished message) is closed.
///
/// Confined to its loop; using it elsewhere traps.
public final class HTTPClient: @unchecked Sendable {
    public let configuration: Configuration
    package let loop: EventLoop
    let pool: ConnectionPool
    /// The configuration's `readTimeout`, in nanoseconds: arithmetic on `Duration` is no work for every request.
    let readTimeout: Int64
    let firstByteTimeout: Int64
    /// `totalTimeout` likewise; the maximum for none.
    let totalTimeout: Int64
    let followsRedirects: Bool
    private let isObserved: Bool

    /// Makes a client. It opens no connection yet.
    public init(configuration: Configuration = Configuration(), loop: EventLoop = .current) {
        self.configuration = configuration
        self.loop = loop
        pool = ConnectionPool(configuration: configuration, loop: loop)
        readTimeout = configuration.readTimeout.clampedNanoseconds
        firstByteTimeout = configuration.firstByteTimeout.clampedNanoseconds
        totalTimeout = configuration.totalTimeout?.clampedNanoseconds ?? .max
        followsRedirects = configuration.redirects.limit > 0
        isObserved = configuration.observer != nil
    }

    /// Sends a GET request and collects the response; see ``request(_:_:headerFields:body:upTo:)``.
    @inlinable
    public func get(_ url: HTTPURL, headerFields: HTTPFields = HTTPFields()) async throws -> HTTPClientResponse {
        try await request(.get, url, headerFields: headerFields)
    }

    /// Sends a POST request and collects the response; see ``request(_:_:headerFields:body:upTo:)``.
    public func post(
        _ url: HTTPURL,
        headerFields: HTTPFields = HTTPFields(),
        body: HTTPBody
    ) async throws -> HTTPClientResponse {
        try await request(.post, url, headerFields: headerFields, body: body)
    }

    /// Sends a request and collects the response, whatever its status.
    ///
    /// - Parameters:
    ///   - upTo: The largest body that is accepted, in bytes; by default the configuration's.
    /// - Throws: ``HTTPError``, or `CancellationError` as soon as the task is cancelled.
    ///
    /// If a kept-alive connection turns out to have been closed by the server before any byte of a response, a request
    /// that may be repeated (an idempotent method, RFC 9110 §9.2.2, and a body that is not a stream) is sent once more,
    /// on a new connection.
    public func request(
        _ method: HTTPRequest.Method,
        _ url: HTTPURL,
        headerFields: HTTPFields = HTTPFields(),
        body: HTTPBody = .none,
        upTo maximum: Int? = nil
    ) async throws -> HTTPClientResponse {
        let maximum = maximum ?? configuration.maximumResponseBody
        let times = begin(method, url)
        do {
            let exchange = exchange(method, url, headerFields, body, hasLeftOrigin: false, times)
            let response = try await run(exchange, to: url) { http in try await exchange.collect(http, upTo: maximum) }
            guard followsRedirects, RedirectPolicy.leads(response.status, response.headerFields) else {
                end(times, response.status)
                return response
            }
            let request = HTTPClientRequest(method, url, headerFields: headerFields, body: body)
            let last = try await follow(response, of: request, upTo: maximum, exchange.times)
            end(times, last.status)
            return last
        } catch {
            throw fail(times, error)
        }
    }

    /// Sends a request and passes the head of the response and a reader for its body to `handler`, which streams it.
    ///
    /// ```swift
    /// let size = try await client.perform(HTTPClientRequest(.get, url)) { response, body in
    ///     var size = 0
    ///     for try await piece in body { size += piece.count }
    ///     return size
    /// }
    /// ```
    ///
    /// The connection belongs to the handler until that returns. If it has not read the body to its end by then the
    /// connection is closed, so a response can be left at any point. Redirects are followed first. Throws what `handler`
    /// throws, and otherwise as ``request(_:_:headerFields:body:upTo:)`` does.
    public func perform<R>(
        _ request: HTTPClientRequest,
        _ handler: (HTTPResponse, HTTPBodyReader) async throws -> R
    ) async throws -> R {
        try await stream(request, mayUpgrade: false) { _, response, body, _ in try await handler(response, body) }
    }

    /// Sends a request, follows where it is redirected to, and hands the last response to `handler`.
    func stream<R>(
        _ request: HTTPClientRequest,
        mayUpgrade: Bool,
        _ handler: (ClientExchange, HTTPResponse, HTTPBodyReader, RedirectTrail) async throws -> R
    ) async throws -> R {
        var trail = RedirectTrail(configuration)
        var hop = request
        var times = begin(request.method, request.url)
        do {
            while true {
                let exchange = exchange(for: hop, trail, times)
                exchange.mayUpgrade = mayUpgrade
                let outcome = try await run(exchange, to: hop.url) { http in
                    try await exchange.stream(http, followingRedirects: followsRedirects) { response, body in
                        try await handler(exchange, response, body, trail)
                    }
                }
                times = exchange.times
                switch outcome {
                case .value(let value, let status):
                    end(times, status)
                    return value
                case .redirect(let response):
                    hop = try next(after: hop, response.status, response.headerFields, &trail, times)
                }
            }
        } catch {
            throw fail(times, error)
        }
    }

    /// Closes the idle connections, and those in use when their exchange ends; requests that wait for a connection, and
    /// later ones, fail with ``HTTPError`` of kind `.shutdown`.
    public func shutdown() async {
        loop.preconditionOnLoop()
        pool.shutdown()
    }

    // MARK: One exchange

    var timesFromNow: ExchangeTimes {
        // A fresh reading: the turn's own is old if the caller has computed for long.
        let now = loop.clock.now
        var deadline = totalTimeout == .max ? LoopInstant.distantFuture : now.advanced(nanoseconds: totalTimeout)
        if let scoped = loop.scopedDeadline { deadline = min(deadline, scoped) }
        return ExchangeTimes(began: now, readTimeout: readTimeout, deadline: deadline)
    }

    /// A request begins: it is counted, and the observer told.
    @inline(__always)
    private func begin(_ method: HTTPRequest.Method, _ url: HTTPURL) -> ExchangeTimes {
        loop.preconditionOnLoop()
        pool.metrics.requestsStarted &+= 1
        var times = timesFromNow
        if isObserved { times.observation = observation(of: method, url) }
        return times
    }

    @inline(never)
    private func observation(of method: HTTPRequest.Method, _ url: HTTPURL) -> Observation {
        let observation = Observation(
            request: pool.metrics.requestsStarted,
            clock: loop.clock,
            observer: configuration.observer!
        )
        observation.note(.requestStarted(method, url))
        return observation
    }

    @inline(__always)
    private func end(_ times: ExchangeTimes, _ status: HTTPResponse.Status) {
        pool.metrics.requestsEnded &+= 1
        times.observation?.note(.requestEnded(status))
    }

    /// A request has failed: it is counted, and the observer told. Returns what the caller is told.
    @inline(never)
    private func fail(_ times: ExchangeTimes, _ error: any Error) -> any Error {
        pool.metrics.requestsFailed += 1
        times.observation?.note(.requestFailed(error))
        return (error as? HTTPError)?.asUpstream ?? error
    }

    /// Finds a connection, sends the request, runs `body`, and gives the connection back to the pool if its state is beyond
    /// doubt.
    @inline(__always)
    func run<R>(
        _ exchange: ClientExchange,
        to url: HTTPURL,
        _ body: (HTTPConnection) async throws -> R
    ) async throws -> R {
        if let limiter = configuration.rateLimiter { try await exchange.wait(for: limiter) }
        var origin = pool.origin(of: url)
        if let limiter = origin.rateLimiter {
            try await exchange.wait(for: limiter)
            // Again: the pool forgets an origin of which nobody has a connection, or waits for one.
            origin = pool.origin(of: url)
        }
        var isRepeat = false
        while true {
            // Not with `if let`, which would count the reference once more.
            var taken = isRepeat ? nil : pool.idleConnection(to: origin)
            if taken == nil { taken = try await pool.checkOut(origin, fresh: isRepeat, exchange.times) }
            let connection = taken!
            do {
                if !(try exchange.trySend(over: connection)) { try await exchange.finishSending() }
                let result = try await body(connection.http)
                exchange.account(to: &pool.metrics)
                pool.checkIn(connection, reusable: exchange.leavesConnectionReusable)
                return result
            } catch {
                if let failure = failure(of: exchange, on: connection, error, isRepeat: isRepeat) { throw failure }
                isRepeat = true
            }
        }
    }

    /// Ends an attempt that failed. Returns what the caller is told; nil if there is to be another.
    @inline(never)
    private func failure(
        of exchange: ClientExchange,
        on connection: PooledConnection,
        _ error: any Error,
        isRepeat: Bool
    ) -> (any Error)? {
        exchange.account(to: &pool.metrics)
        pool.checkIn(connection, reusable: exchange.leavesConnectionUntouched())
        // The server closed a kept-alive connection while the request was on its way, and answered nothing.
        guard !isRepeat, exchange.mayBeRepeated, exchange.foundConnectionStale(error) else {
            return exchange.describe(error)
        }
        pool.metrics.repeats += 1
        return nil
    }

    /// The exchange for a request that may have been redirected: with the cookies for its URL, and the defaults that it lacks.
    /// The client's own credentials are for the origin that the caller named, and no other.
    ///
    /// Nothing is added to a request without fields, which gets the defaults as they lie in memory.
    func exchange(
        _ method: HTTPRequest.Method,
        _ url: HTTPURL,
        _ headerFields: HTTPFields,
        _ body: HTTPBody,
        hasLeftOrigin: Bool,
        _ times: ExchangeTimes
    ) -> ClientExchange {
        let cookies = configuration.cookies?.header(for: url)
        let isPlain = headerFields.isEmpty && pool.hasPlainLines && cookies == nil && !hasLeftOrigin
        return ClientExchange(
            method,
            url,
            headerFields: isPlain
                ? headerFields : headerFields.adding(cookies, pool.defaults(hasLeftOrigin: hasLeftOrigin)),
            body,
            client: self,
            times,
            isPlain: isPlain,
            acceptsAnyCoding: headerFields.isEmpty || !headerFields.contains(.acceptEncoding)
        )
    }
}

extension HTTPFields {
    /// These fields and those of `defaults` whose names are not among them.
    fileprivate func adding(_ cookies: String?, _ defaults: HTTPFields) -> HTTPFields {
        var all = self
        if let cookies, !contains(.cookie) { all[.cookie] = cookies }
        for field in defaults where !contains(field.name) && (cookies == nil || field.name != .cookie) {
            all.append(field)
        }
        return all
    }
}
