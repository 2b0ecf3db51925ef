import LeatLoop
import LeatNet
import LeatReactor

/// What a waiter carries until it is served.
private final class Claim {
    let origin: OriginPool
    /// Whether it waits among those of its origin, rather than for the total to sink.
    var isLimitedByOrigin: Bool

    init(_ origin: OriginPool, isLimitedByOrigin: Bool) {
        self.origin = origin
        self.isLimitedByOrigin = isLimitedByOrigin
    }
}

/// Kept-alive connections by origin, with limits per origin and in total. Requests over a limit wait, first come first
/// served; one that is cancelled leaves the queue at once.
///
/// Confined to its loop, like the client that owns it.
final class ConnectionPool: @unchecked Sendable {
    private let configuration: HTTPClient.Configuration
    private let loop: EventLoop
    /// The configuration's, in nanoseconds: arithmetic on `Duration` is no work for every request.
    private let idleTimeout: Int64
    private let connector: Connector
    /// What the client has done; the gauges among it are filled in by ``snapshot()``.
    @exclusivity(unchecked) var metrics = HTTPClientMetrics()
    /// The fields that every request gets unless it has them.
    let defaultFields: HTTPFields
    /// Whether those can be sent as they lie in memory. Otherwise they are put among a request's own, and checked there.
    let hasPlainLines: Bool
    private var origins: [Origin: OriginPool] = [:]
    /// The origin of the last request: most clients talk to one, and need no dictionary for it.
    @exclusivity(unchecked) private var lastOrigin: OriginPool?
    /// Connections of all origins that exist or are being made.
    private var count = 0
    /// Requests that wait because of the total limit. Their origins could have another connection.
    @exclusivity(unchecked) private var waiters = WaitQueue()
    @exclusivity(unchecked) private var sweep: ScheduledWork?
    private var isShutDown = false

    init(configuration: HTTPClient.Configuration, loop: EventLoop) {
        precondition(configuration.maximumConnections > 0 && configuration.maximumConnectionsPerHost > 0)
        self.configuration = configuration
        self.loop = loop
        idleTimeout = configuration.idleTimeout.clampedNanoseconds
        connector = Connector(configuration: configuration, loop: loop)
        var fields: HTTPFields = [.accept: "*/*"]
        if configuration.decompresses, let codings = ContentDecoder.acceptEncoding { fields[.acceptEncoding] = codings }
        if let userAgent = configuration.userAgent { fields[.userAgent] = userAgent }
        let names = Set(configuration.defaultHeaderFields.map(\.name))
        for name in names { fields.removeAll(name) }
        fields.append(contentsOf: configuration.defaultHeaderFields)
        defaultFields = fields
        let checked = try? FramingFields(checking: fields, framing: .none, mayDescribeAbsentBody: false)
        // What a proxy is told differs from origin to origin.
        hasPlainLines = checked.map { !$0.hasHost && !configuration.proxy.isUsed } ?? false
    }

    deinit {
        sweep?.cancel()
        for origin in origins.values {
            for connection in origin.idle { connection.http.close() }
        }
    }

    /// The fields that a request gets unless it has them, without the client's credentials if they are not for its origin.
    func defaults(hasLeftOrigin: Bool) -> HTTPFields {
        hasLeftOrigin ? defaultFields.withoutCredentials : defaultFields
    }

    // MARK: Taking a connection

    /// An idle connection to `origin`, if nobody is before us.
    func idleConnection(to origin: OriginPool) -> PooledConnection? {
        origin.waiters.isEmpty && !isShutDown ? takeIdle(from: origin) : nil
    }

    /// A connection for a request: an idle one (unless it must be `fresh`), a new one, or whichever is free first.
    /// Throws ``HTTPError`` or `CancellationError`.
    func checkOut(_ origin: OriginPool, fresh: Bool, _ times: ExchangeTimes) async throws -> PooledConnection {
        if Task.isCancelled { throw CancellationError() }
        if isShutDown { throw HTTPError(.shutdown, "the client was shut down") }
        if origin.waiters.isEmpty {
            if !fresh, let connection = takeIdle(from: origin) { return connection }
            if origin.count < configuration.maximumConnectionsPerHost, reserveInTotal(for: origin) {
                return try await connect(origin, times)
            }
        }
        if let connection = try await waitForTurn(origin, times) {
            if connection.isUsable, !(fresh && connection.isReused) { return connection }
            // Its place is this request's, for another connection.
            connection.http.close()
        }
        return try await connect(origin, times)
    }

    /// Where the connections to a URL's host are kept.
    func origin(of url: HTTPURL) -> OriginPool {
        if let last = lastOrigin, last.port == url.port, last.isSecure == url.isSecure, last.host == url.host {
            return last
        }
        let key = Origin(url)
        let origin = origins[key] ?? makeOrigin(url)
        origins[key] = origin
        lastOrigin = origin
        return origin
    }

    private func makeOrigin(_ url: HTTPURL) -> OriginPool {
        let rateLimiter = configuration.requestsPerSecondPerHost.map { RateLimiter(perSecond: $0, loop: loop) }
        return OriginPool(
            url,
            route: Route(to: url, configuration),
            usesProxies: configuration.proxy.isUsed,
            defaultFields: defaultFields,
            rateLimiter: rateLimiter
        )
    }

    private func takeIdle(from origin: OriginPool) -> PooledConnection? {
        while let connection = origin.idle.popLast() {
            if connection.isUsable, !hasExpired(connection) { return connection }
            discard(connection)
        }
        return nil
    }

    /// Counts one more connection, if the total allows it or an idle connection of another origin can make room.
    private func reserveInTotal(for origin: OriginPool) -> Bool {
        if count >= configuration.maximumConnections {
            guard waiters.isEmpty, let victim = longestIdle() else { return false }
            victim.origin.idle.removeFirst()
            victim.http.close()
            victim.origin.count -= 1
            count -= 1
        }
        origin.count += 1
        count += 1
        return true
    }

    /// O(origins); needed only when the total limit has been reached.
    private func longestIdle() -> PooledConnection? {
        origins.values.compactMap(\.idle.first).min { $0.idleSince < $1.idleSince }
    }

    /// Waits for a connection, which is returned, or for a reserved place to open one in, which is nil.
    private func waitForTurn(_ origin: OriginPool, _ times: ExchangeTimes) async throws -> PooledConnection? {
        let spot = ParkingSpot(loop: loop)
        let isLimitedByOrigin = !origin.waiters.isEmpty || origin.count >= configuration.maximumConnectionsPerHost
        if isLimitedByOrigin { origin.waiters.append(spot) } else { waiters.append(spot) }
        let claim = Claim(origin, isLimitedByOrigin: isLimitedByOrigin)
        spot.handoff = claim
        let limit = configuration.poolTimeout
        let ownDeadline = limit.map { loop.clock.now.advanced(by: $0) } ?? .distantFuture
        times.observation?.note(.connectionQueued)
        let wake = await spot.parkCancellably(.connection, until: min(ownDeadline, times.deadline))
        times.observation?.note(.connectionDequeued)
        spot.disarm()
        let handoff = spot.handoff as? PooledConnection
        if isShutDown {
            if wake == .ready || handoff != nil { giveUp(handoff, of: origin) }
            throw HTTPError(.shutdown, "the client was shut down")
        }
        if wake == .ready { return handoff }
        if spot.isQueued {
            if claim.isLimitedByOrigin { origin.waiters.remove(spot) } else { waiters.remove(spot) }
        } else if let handoff {
            // Served in the very turn in which it gave up: what it was given goes on to the next.
            checkIn(handoff, reusable: true)
        } else {
            giveUpPlace(of: origin)
        }
        if wake == .cancelled { throw CancellationError() }
        let timedOut = NetworkError.timedOut("wait for a connection to \(origin.authority)")
        throw times.describe(timedOut, in: .pool, limit: limit?.clampedNanoseconds ?? .max, now: loop.now)
    }

    // MARK: Making a connection

    /// Opens a connection in a place that was counted already.
    private func connect(_ origin: OriginPool, _ times: ExchangeTimes) async throws -> PooledConnection {
        do {
            times.observation?.note(.connectStarted)
            let http = try await connector.connect(to: origin, times)
            metrics.connectionsCreated += 1
            times.observation?.note(.connectionCreated)
            return PooledConnection(http: http, origin: origin, lifetime: configuration.connectionLifetime)
        } catch {
            metrics.connectionsFailed += 1
            giveUpPlace(of: origin)
            throw error
        }
    }

    /// Opens connections until `wanted` of them are idle, as far as the limits allow, and returns how many are.
    func warmUp(_ origin: OriginPool, _ wanted: Int, _ times: ExchangeTimes) async throws -> Int {
        if isShutDown { throw HTTPError(.shutdown, "the client was shut down") }
        while let index = origin.idle.firstIndex(where: { !$0.isUsable }) { discard(origin.idle.remove(at: index)) }
        var places = 0
        while origin.idle.count + places < wanted, hasRoom(for: origin) {
            origin.count += 1
            count += 1
            places += 1
        }
        try await withThrowingDiscardingTaskGroup { group in
            for _ in 0..<places {
                group.addTask {
                    // As one that has served before: should the server close it, the request is sent again.
                    self.checkIn(try await self.connect(origin, times), reusable: true)
                }
            }
        }
        return origin.idle.count
    }

    /// Whether another connection may be opened without anybody having to wait longer, or to lose one.
    private func hasRoom(for origin: OriginPool) -> Bool {
        origin.waiters.isEmpty && waiters.isEmpty && origin.count < configuration.maximumConnectionsPerHost
            && count < configuration.maximumConnections
    }

    // MARK: Giving it back

    /// Takes a connection back: for the next waiter, for the idle list, or to be closed.
    func checkIn(_ connection: PooledConnection, reusable: Bool) {
        let origin = connection.origin
        guard reusable, !isShutDown else { return discard(connection) }
        connection.isReused = true
        if let waiter = origin.waiters.popFirst() {
            waiter.handoff = connection
            waiter.wake(.ready)
        } else if let first = waiters.first {
            // The total is reached. The first who waits for it to sink may want this very origin.
            guard (first.handoff as? Claim)?.origin === origin else { return discard(connection) }
            _ = waiters.popFirst()
            first.handoff = connection
            first.wake(.ready)
        } else {
            connection.http.releaseMemory()
            connection.idleSince = loop.now
            origin.idle.append(connection)
            scheduleSweep()
        }
    }

    private func giveUp(_ handoff: PooledConnection?, of origin: OriginPool) {
        if let handoff { discard(handoff) } else { giveUpPlace(of: origin) }
    }

    private func discard(_ connection: PooledConnection) {
        connection.http.close()
        giveUpPlace(of: connection.origin)
    }

    /// Passes the place of a connection that is gone on to who waits for one, or uncounts it.
    private func giveUpPlace(of origin: OriginPool) {
        if let waiter = origin.waiters.popFirst() {
            waiter.wake(.ready)
            return
        }
        origin.count -= 1
        count -= 1
        guard let waiter = waiters.popFirst(), let claim = waiter.handoff as? Claim else { return }
        claim.origin.count += 1
        count += 1
        waiter.wake(.ready)
        if claim.origin.count >= configuration.maximumConnectionsPerHost { limitWaiters(by: claim.origin) }
    }

    /// An origin has as many connections as it may: who waits for one of them now waits among its own, in the same order.
    private func limitWaiters(by origin: OriginPool) {
        for _ in 0..<waiters.count {
            guard let waiter = waiters.popFirst() else { return }
            if let claim = waiter.handoff as? Claim, claim.origin === origin {
                claim.isLimitedByOrigin = true
                origin.waiters.append(waiter)
            } else {
                waiters.append(waiter)
            }
        }
    }

    func snapshot() -> HTTPClientMetrics {
        var snapshot = metrics
        snapshot.connectionsIdle = origins.values.reduce(0) { $0 + $1.idle.count }
        snapshot.connectionsInUse = count - snapshot.connectionsIdle
        snapshot.requestsWaiting = origins.values.reduce(waiters.count) { $0 + $1.waiters.count }
        return snapshot
    }

    // MARK: Idle connections

    /// One timer for the whole pool, set for the connection that has been idle longest when it was set.
    private func scheduleSweep() {
        guard sweep == nil, let oldest = longestIdle() else { return }
        let rest = loop.now.duration(to: oldest.idleSince.advanced(nanoseconds: idleTimeout))
        sweep = loop.schedule(after: max(.zero, rest)) { [weak self] in self?.closeExpired() }
    }

    private func closeExpired() {
        sweep = nil
        for origin in origins.values {
            while let oldest = origin.idle.first, hasExpired(oldest) {
                origin.idle.removeFirst()
                discard(oldest)
            }
        }
        origins = origins.filter { $0.value.isNeeded(at: loop.now) }
        if let last = lastOrigin, last.count == 0 { lastOrigin = nil }
        scheduleSweep()
    }

    private func hasExpired(_ idle: PooledConnection) -> Bool {
        idle.idleSince.advanced(nanoseconds: idleTimeout) <= loop.now
    }

    func shutdown() {
        isShutDown = true
        sweep?.cancel()
        sweep = nil
        while let waiter = waiters.popFirst() { waiter.wake(.cancelled) }
        for origin in origins.values {
            while let waiter = origin.waiters.popFirst() { waiter.wake(.cancelled) }
            while let connection = origin.idle.popLast() { discard(connection) }
        }
    }
}
