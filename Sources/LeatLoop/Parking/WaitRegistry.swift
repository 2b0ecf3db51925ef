public import LeatReactor

/// All the waits of a loop, in a list that runs through the parking spots themselves: entering and leaving it is a few
/// stores, and no allocation.
package final class WaitRegistry {
    /// Unretained: a spot removes itself when its wait ends, and a spot whose task waits is alive.
    @exclusivity(unchecked) private var first: Unmanaged<ParkingSpot>?
    @exclusivity(unchecked) package private(set) var count = 0

    init() { _ = ParkingSpot.cancellationCallback }

    func insert(_ spot: ParkingSpot) {
        let reference = Unmanaged.passUnretained(spot)
        spot.previousWait = nil
        spot.nextWait = first
        first?._withUnsafeGuaranteedRef { $0.previousWait = reference }
        first = reference
        count += 1
    }

    func remove(_ spot: ParkingSpot) {
        if let previous = spot.previousWait {
            previous._withUnsafeGuaranteedRef { $0.nextWait = spot.nextWait }
        } else {
            first = spot.nextWait
        }
        spot.nextWait?._withUnsafeGuaranteedRef { $0.previousWait = spot.previousWait }
        spot.nextWait = nil
        spot.previousWait = nil
        count -= 1
    }

    /// Visits every wait, newest first.
    package func forEach(_ body: (ParkingSpot) -> Void) {
        var next = first
        while let current = next {
            let spot = current.takeUnretainedValue()
            next = spot.nextWait
            body(spot)
        }
    }

    func cancelAll() {
        forEach { $0.wake(.cancelled) }
    }

    func reportLeaks() {
        forEach { printToStandardError("leat: a task was left waiting for: \($0.reason)") }
    }
}

extension EventLoop {
    /// One task that waits: for what, and since when.
    public struct Wait: Sendable, Hashable {
        public let reason: WaitReason
        /// The time of the turn in which the wait began.
        public let since: LoopInstant
    }

    /// Everything that tasks of this loop wait for now, the most recent first. O(n). Call it on the loop.
    public func currentWaits() -> [Wait] {
        preconditionOnLoop()
        var result: [Wait] = []
        waits.forEach { result.append(Wait(reason: $0.reason, since: $0.since)) }
        return result
    }
}
