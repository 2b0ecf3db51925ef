public import LeatReactor

/// Suspends the caller for `duration`, or a little longer, never less. Durations of zero or less yield once.
///
/// Throws `CancellationError` as soon as the task is cancelled; the timer is gone from memory then. O(log n).
public func sleep(for duration: Duration) async throws(CancellationError) {
    let loop = EventLoop.current
    // A fresh reading: the turn's own may be old, and the sleep must not be short by that.
    try await loop.sleep(until: loop.reactor.clock.now.advanced(by: duration))
}

/// Suspends the caller until `deadline` has passed on its loop's clock; see ``sleep(for:)``.
public func sleep(until deadline: LoopInstant) async throws(CancellationError) {
    try await EventLoop.current.sleep(until: deadline)
}

extension EventLoop {
    func sleep(until deadline: LoopInstant) async throws(CancellationError) {
        let spot = ParkingSpot(loop: self)
        let wake = await spot.parkCancellably(.sleep, until: deadline)
        spot.disarm()
        if wake == .cancelled { throw CancellationError() }
    }

    /// This loop's time as a Swift clock.
    public var clock: LoopClock { LoopClock(loop: self) }
}

/// The clock of a loop: what `sleep(for:)` and every deadline in Leat go by. Under a ``ManualClock`` it moves with that.
public struct LoopClock: Clock {
    public typealias Instant = LoopInstant
    private let loop: EventLoop

    init(loop: EventLoop) {
        self.loop = loop
    }

    /// The time now: a fresh reading, unlike ``EventLoop/now``.
    public var now: LoopInstant { loop.reactor.clock.now }

    public var minimumResolution: Duration { .nanoseconds(1) }

    /// Suspends until `deadline`. `tolerance` is accepted and not needed. Call it on the loop.
    public func sleep(until deadline: LoopInstant, tolerance: Duration? = nil) async throws {
        try await loop.sleep(until: deadline)
    }
}
