package import LeatReactor

/// A token bucket for the tasks of one loop: it bounds how often something is begun.
///
/// The bucket holds up to `burst` tokens and is full at the beginning; `perSecond` tokens drop into it each second, evenly.
/// First come, first served; a waiter that is cancelled leaves the queue at once and takes no token with it. Goes by the
/// loop's clock. Confined to its loop.
public final class RateLimiter: @unchecked Sendable {
    private let loop: EventLoop
    /// Nanoseconds in which one token drops.
    private let interval: Int64
    /// How long it takes to fill the bucket from one token.
    private let tolerance: Int64
    /// When the bucket will be full. The next token is there `tolerance` before that, and taking one moves it by `interval`.
    private var full: LoopInstant
    private var waiters = WaitQueue()
    private let alarm = Alarm()

    /// Rings when the first waiter's token is there.
    private final class Alarm: LoopTimer {
        unowned(unsafe) var limiter: RateLimiter!

        override func fire(at now: LoopInstant) { limiter.serve() }
    }

    /// - Parameters:
    ///   - perSecond: Tokens a second: more than zero, at most a thousand million; may be a fraction.
    ///   - burst: Tokens that gather while nobody takes any. Default 1: evenly spaced.
    public init(perSecond: Double, burst: Int = 1, loop: EventLoop = .current) {
        precondition(perSecond > 0 && perSecond <= 1e9, "a rate of \(perSecond) a second cannot be kept")
        precondition(burst > 0 && burst <= 1 << 30, "a bucket holds at least one token, not \(burst)")
        self.loop = loop
        interval = max(1, Int64(min(1e9 / perSecond, 1e18).rounded()))
        let (product, overflow) = interval.multipliedReportingOverflow(by: Int64(burst - 1))
        tolerance = overflow ? 1 << 60 : min(product, 1 << 60)
        full = loop.clock.now
        alarm.limiter = self
    }

    deinit { loop.reactor.cancel(alarm) }

    /// Takes a token, waiting for it if need be. Throws `CancellationError` if the task is cancelled before it has one. O(1)
    /// beside the timer.
    public func acquire() async throws(CancellationError) {
        _ = try await acquire(until: .distantFuture)
    }

    /// As ``acquire()``; returns false if there is no token by `deadline`.
    package func acquire(until deadline: LoopInstant) async throws(CancellationError) -> Bool {
        loop.preconditionOnLoop()
        if Task.isCancelled { throw CancellationError() }
        if waiters.isEmpty, take(at: loop.clock.now) { return true }
        let spot = ParkingSpot(loop: loop)
        waiters.append(spot)
        if waiters.count == 1 { setAlarm() }
        let wake = await spot.parkCancellably(.rate, until: deadline)
        spot.disarm()
        if wake == .ready { return true }
        if spot.isQueued {
            let wasFirst = waiters.first === spot
            waiters.remove(spot)
            if wasFirst { setAlarm() }
        } else {
            // Served in the very turn in which it gave up: the token goes back.
            full = full.advanced(nanoseconds: -interval)
            setAlarm()
        }
        if wake == .cancelled { throw CancellationError() }
        return false
    }

    /// Tasks that wait for a token.
    public var waitingTasks: Int { waiters.count }

    /// Whether it is as if nobody had taken any token.
    package func isFull(at now: LoopInstant) -> Bool { waiters.isEmpty && full <= now }

    private var nextToken: LoopInstant { full.advanced(nanoseconds: -tolerance) }

    private func take(at now: LoopInstant) -> Bool {
        guard nextToken <= now else { return false }
        full = max(full, now).advanced(nanoseconds: interval)
        return true
    }

    private func serve() {
        while let first = waiters.first, take(at: loop.now) {
            waiters.remove(first)
            first.wake(.ready)
        }
        setAlarm()
    }

    private func setAlarm() {
        if alarm.isSet { loop.reactor.cancel(alarm) }
        if !waiters.isEmpty { loop.reactor.set(alarm, at: nextToken) }
    }
}
