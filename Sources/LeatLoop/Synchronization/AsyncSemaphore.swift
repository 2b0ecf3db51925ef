import LeatReactor

/// A counting semaphore for the tasks of one loop: it bounds how many are in a place at once.
///
/// First come, first served. A waiter that is cancelled leaves the queue at once and takes no permit with it.
public final class AsyncSemaphore: @unchecked Sendable {
    private var available: Int
    private var waiters = WaitQueue()

    /// A semaphore with `value` permits. Precondition: not negative.
    public init(value: Int) {
        precondition(value >= 0, "a semaphore cannot begin with \(value) permits")
        available = value
    }

    /// Permits that nobody holds.
    public var availablePermits: Int { available }
    /// Tasks that wait for a permit.
    public var waitingTasks: Int { waiters.count }

    /// Takes a permit, waiting for one if need be. Throws `CancellationError` if the task is cancelled before it has one.
    /// Prefer ``withPermit(_:)``, which cannot forget to give it back. O(1).
    public func acquire() async throws(CancellationError) {
        let loop = EventLoop.current
        if Task.isCancelled { throw CancellationError() }
        if available > 0 {
            available -= 1
            return
        }
        let spot = ParkingSpot(loop: loop)
        waiters.append(spot)
        let wake = await spot.parkCancellably(.semaphore)
        guard wake == .ready else {
            // Handed a permit and cancelled in the same turn: the permit goes on to the next.
            if spot.isQueued { waiters.remove(spot) } else { release() }
            throw CancellationError()
        }
    }

    /// Gives a permit back: to the first waiter, if there is one. O(1).
    public func release() {
        precondition(EventLoop.currentIfAny != nil, "AsyncSemaphore.release() was called off its event loop")
        if let next = waiters.popFirst() { next.wake(.ready) } else { available += 1 }
    }

    /// Runs `body` with a permit and gives it back afterwards, however `body` ends.
    /// Throws `CancellationError` if the task is cancelled before it has one.
    public func withPermit<T>(_ body: () async throws -> T) async throws -> T {
        try await acquire()
        defer { release() }
        return try await body()
    }
}
