import LeatReactor

/// The threads of a loop, and the permits that keep their queue no longer than they are many.
package final class Offloading {
    let permits: AsyncSemaphore
    private var pool: ThreadPool?
    private let threads: Int

    init(threads: Int) {
        precondition(threads > 0, "offloading needs at least one thread")
        self.threads = threads
        permits = AsyncSemaphore(value: threads)
    }

    /// Runs `work` on one of the threads, for a caller that holds a permit.
    func submit(_ work: @escaping @Sendable () -> Void) {
        let pool = pool ?? ThreadPool(maximumThreads: threads)
        self.pool = pool
        pool.submit(work)
    }

    /// Waits for what the threads do, and ends them.
    func close() {
        pool = nil
    }
}

extension EventLoop {
    /// Runs `work` on a thread beside the loop and returns what it returns: asyncio's `to_thread`. For calls that block
    /// (files, `getaddrinfo`) and for long computations.
    ///
    /// At most ``Configuration/offloadThreads`` pieces run at once; further callers wait in order. If the task is
    /// cancelled it throws `CancellationError` at once; work that has begun cannot be interrupted, runs to its end and
    /// has its result dropped.
    public func offload<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
        preconditionOnLoop()
        try await offloading.permits.acquire()
        let delivery = Delivery<T>(spot: ParkingSpot(loop: self))
        reactor.workElsewhere += 1
        offloading.submit {
            let result = Result { try work() }
            self.schedule {
                self.reactor.workElsewhere -= 1
                self.offloading.permits.release()
                delivery.result = result
                delivery.spot.wake(.ready)
            }
        }
        guard await delivery.spot.parkCancellably(.offload) == .ready else { throw CancellationError() }
        return try delivery.result!.get()
    }
}

/// Carries a result from a thread to the task that waits for it. Touched on the loop only.
private final class Delivery<T: Sendable>: @unchecked Sendable {
    let spot: ParkingSpot
    var result: Result<T, any Error>?

    init(spot: ParkingSpot) {
        self.spot = spot
    }
}
