/// Tasks that wait for the same thing, first come first served: a list through the parking spots. Leaving it, wherever
/// one stands, is O(1), so a cancelled waiter is gone at once.
package struct WaitQueue: ~Copyable {
    package private(set) var first: ParkingSpot?
    private unowned(unsafe) var last: ParkingSpot?
    package private(set) var count = 0

    package init() {}

    package var isEmpty: Bool { first == nil }

    package mutating func append(_ spot: ParkingSpot) {
        precondition(!spot.isQueued, "a task waits in one queue at a time")
        spot.isQueued = true
        spot.previousInQueue = last
        if let last { last.nextInQueue = spot } else { first = spot }
        last = spot
        count += 1
    }

    package mutating func popFirst() -> ParkingSpot? {
        guard let spot = first else { return nil }
        remove(spot)
        return spot
    }

    /// Takes a spot out; does nothing if it is not queued.
    package mutating func remove(_ spot: ParkingSpot) {
        guard spot.isQueued else { return }
        let next = spot.nextInQueue
        let previous = spot.previousInQueue
        if let previous { previous.nextInQueue = next } else { first = next }
        if let next { next.previousInQueue = previous } else { last = previous }
        spot.nextInQueue = nil
        spot.previousInQueue = nil
        spot.isQueued = false
        count -= 1
    }

    /// A long list would otherwise be released recursively, one stack frame a link.
    deinit {
        var next = first
        while let spot = next {
            next = spot.nextInQueue
            spot.nextInQueue = nil
        }
    }
}
