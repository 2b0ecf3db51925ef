import CLinux
package import LeatReactor

/// How a wait ended.
package enum Wake: UInt8, Sendable {
    /// What was waited for has happened.
    case ready
    /// The deadline passed first.
    case deadline
    /// The task was cancelled, or the loop is ending.
    case cancelled
}

/// The one way to wait. Every suspension in Leat (for a descriptor, a timer, a semaphore, a thread) parks a continuation
/// in a spot like this, which knows what is waited for and since when.
///
/// A spot holds one task at a time and may be used again: a socket has two for its whole life, so a read that has to wait
/// allocates nothing. It is also a timer. The deadline of a wait is kept here, and the heap is told only when it has to
/// fire earlier than before: a deadline that moves later, as an idle timeout does with each request, costs nothing.
///
/// Confined to its loop, so its fields need no dynamic exclusivity checks, which cost more here than the work itself (see
/// `docs/decisions/0004-exclusivity.md`). The continuation is unsafe (a checked one costs twice as much); that it is resumed exactly once
/// is this class's business, and checked here.
package final class ParkingSpot: LoopTimer, @unchecked Sendable {
    /// Unowned: whoever owns the spot owns the loop.
    private let owner: Unmanaged<EventLoop>
    package var loop: EventLoop { owner.takeUnretainedValue() }
    @exclusivity(unchecked) private var continuation: UnsafeContinuation<Wake, Never>?
    @exclusivity(unchecked) package private(set) var reason = WaitReason.sleep
    @exclusivity(unchecked) package private(set) var since = LoopInstant(nanoseconds: 0)
    @exclusivity(unchecked) private var deadline = LoopInstant.distantFuture
    /// What passes between the task that waits and whoever wakes it, such as a pooled connection.
    @exclusivity(unchecked) package var handoff: AnyObject?
    /// When the heap will fire this timer, if it is set; never later than `deadline`.
    @exclusivity(unchecked) private var alarm = LoopInstant.distantFuture
    /// Tells one wait from the next, so that a cancellation that arrives late cannot end the wrong one.
    @exclusivity(unchecked) private var ticket: UInt64 = 0
    /// The wait whose task has a cancellation handler. Written before the handler is added and until it is removed no more, so
    /// that the thread which calls it may read this.
    @exclusivity(unchecked) private var watchedTicket: UInt64 = 0
    /// The wait that is cancelled before it begins.
    @exclusivity(unchecked) private var cancelledTicket: UInt64 = 0

    /// Neighbours in the loop's registry of waits.
    @exclusivity(unchecked) var nextWait: Unmanaged<ParkingSpot>?
    @exclusivity(unchecked) var previousWait: Unmanaged<ParkingSpot>?
    /// Neighbours in a ``WaitQueue``.
    var nextInQueue: ParkingSpot?
    unowned(unsafe) var previousInQueue: ParkingSpot?
    package internal(set) var isQueued = false

    package init(loop: EventLoop) {
        owner = .passUnretained(loop)
    }

    /// Whether a task waits here.
    package var isOccupied: Bool { continuation != nil }

    /// Suspends the caller until ``wake(_:)``. Does not look at cancellation: its owner does.
    package func park(_ reason: WaitReason, until deadline: LoopInstant = .distantFuture) async -> Wake {
        await withUnsafeContinuation { begin($0, reason, until: deadline) }
    }

    /// Suspends the caller until ``wake(_:)`` or until its task is cancelled, whichever is first.
    package func parkCancellably(_ reason: WaitReason, until deadline: LoopInstant = .distantFuture) async -> Wake {
        // The number of the wait that is about to begin.
        watchedTicket = ticket &+ 1
        let record = clinux_add_cancellation_handler(Unmanaged.passUnretained(self).toOpaque())
        let wake = await withUnsafeContinuation { begin($0, reason, until: deadline) }
        clinux_remove_cancellation_handler(record)
        return wake
    }

    /// Ends the wait of this number, which may not have begun yet: the task was cancelled before.
    private func cancel(_ ticket: UInt64) {
        if ticket == self.ticket { return wake(.cancelled) }
        if ticket == self.ticket &+ 1 { cancelledTicket = ticket }
    }

    private func begin(
        _ continuation: UnsafeContinuation<Wake, Never>,
        _ reason: WaitReason,
        until deadline: LoopInstant
    ) {
        precondition(self.continuation == nil, "two tasks wait in one place")
        self.continuation = continuation
        self.reason = reason
        self.deadline = deadline
        ticket &+= 1
        owner._withUnsafeGuaranteedRef { $0.waitBegins(self) }
        if ticket == cancelledTicket { wake(.cancelled) }
    }

    /// Ends the wait, if there is one. The task goes to the ready deque; it does not run inside this call.
    package func wake(_ outcome: Wake) {
        guard let continuation else { return }
        self.continuation = nil
        owner._withUnsafeGuaranteedRef { $0.waits.remove(self) }
        continuation.resume(returning: outcome)
    }

    // MARK: The deadline

    /// The wait begins now: sets the timer, unless there is no deadline or it will fire early enough as it is.
    func begin(in reactor: Reactor) {
        since = reactor.now
        guard deadline != .distantFuture else { return }
        if isSet {
            if alarm <= deadline { return }
            reactor.cancel(self)
        }
        alarm = deadline
        reactor.set(self, at: deadline)
    }

    /// Takes the timer out of the heap. For owners that are done with the spot, so that it is freed at once.
    package func disarm() {
        loop.reactor.cancel(self)
    }

    override package func fire(at now: LoopInstant) {
        guard continuation != nil, deadline != .distantFuture else { return }
        if deadline <= now { return wake(.deadline) }
        alarm = deadline
        loop.reactor.set(self, at: deadline)
    }
}

extension ParkingSpot {
    /// Tells the C side what a cancellation calls, once in the process, however often it is read. Each loop reads it before its
    /// first wait, so that the waits themselves need not ask.
    static let cancellationCallback: Void = clinux_set_cancellation_callback { context in
        let spot = Unmanaged<ParkingSpot>.fromOpaque(context!).takeUnretainedValue()
        let ticket = spot.watchedTicket
        spot.loop.execute { spot.cancel(ticket) }
    }
}
