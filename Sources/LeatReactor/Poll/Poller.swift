import CLinux
import Glibc

/// epoll(7), edge-triggered. A descriptor is registered once, for both directions, and never touched again until it is
/// removed: in a steady state there is no `epoll_ctl`.
///
/// Edge-triggered means that the kernel tells a change once. Whoever owns the source keeps the readiness in user space
/// and clears it when a call answers EAGAIN or comes back short (see `docs/internals/readiness.md`).
package final class Poller {
    private struct Slot {
        var source: Unmanaged<PollSource>?
        var generation: UInt32 = 0
    }

    private let epoll: Int32
    @exclusivity(unchecked) private var slots: [Slot] = []
    private var freeSlots: [UInt32] = []
    @exclusivity(unchecked) private var events: UnsafeMutableBufferPointer<epoll_event>
    /// Events that arrived for a source that was no longer there.
    package private(set) var staleEvents: UInt64 = 0
    /// Registered sources.
    package private(set) var count = 0

    /// Events taken from the kernel at a time; doubles, up to the maximum, whenever it was filled.
    private static let initialCapacity = 64
    private static let maximumCapacity = 4096

    package init() throws(SystemError) {
        epoll = epoll_create1(CLINUX_EPOLL_CLOEXEC)
        guard epoll >= 0 else { throw SystemError(code: errno, operation: "epoll_create1") }
        events = .allocate(capacity: Self.initialCapacity)
    }

    deinit {
        for slot in slots { slot.source?.release() }
        events.deallocate()
        SystemCalls.close(epoll)
    }

    package var eventCapacity: Int { events.count }

    /// Watches a source; the poller keeps it alive until ``remove(_:)``.
    package func add(_ source: PollSource) throws(SystemError) {
        precondition(source.token == nil, "a descriptor is registered once")
        let index = freeSlots.popLast() ?? UInt32(slots.count)
        if index == slots.count { slots.append(Slot()) }
        let token = PollToken(slot: index, generation: slots[Int(index)].generation)
        let result = SystemCalls.control(epoll, EPOLL_CTL_ADD, source.descriptor, Self.registration(token))
        guard result >= 0 else {
            freeSlots.append(index)
            throw SystemError(code: Int32(-result), operation: "epoll_ctl(ADD, \(source.descriptor))")
        }
        slots[Int(index)].source = .passRetained(source)
        source.token = token
        count += 1
    }

    private static func registration(_ token: PollToken) -> epoll_event {
        var event = epoll_event()
        event.events = CLINUX_EPOLLIN | CLINUX_EPOLLOUT | CLINUX_EPOLLRDHUP | CLINUX_EPOLLET
        event.data.u64 = token.userData
        return event
    }

    #if DEBUG
        /// Has the kernel tell once more how these descriptors are, after a ``FaultPlan`` has said otherwise.
        private func lookAgain(at descriptors: Set<Int32>) {
            for case let source? in slots.map({ $0.source?.takeUnretainedValue() }) {
                guard descriptors.contains(source.descriptor), let token = source.token else { continue }
                var event = Self.registration(token)
                epoll_ctl(epoll, EPOLL_CTL_MOD, source.descriptor, &event)
            }
        }
    #endif

    /// Stops watching a source. Must come before its descriptor is closed: the kernel forgets a description only when
    /// its last duplicate is gone.
    package func remove(_ source: PollSource) {
        guard let token = source.token else { return }
        source.token = nil
        _ = SystemCalls.control(epoll, EPOLL_CTL_DEL, source.descriptor, epoll_event())
        // A new generation: what is still queued for the old one is stale from here on.
        slots[Int(token.slot)].generation &+= 1
        let released = slots[Int(token.slot)].source.take()
        freeSlots.append(token.slot)
        count -= 1
        released?.release()
    }

    /// Waits for events and tells their sources. `milliseconds` is 0 (look only) or -1 (until there is one).
    /// Returns how many events there were.
    @discardableResult
    package func poll(milliseconds: Int32) -> Int {
        #if DEBUG
            let deceived = FaultPlan.takeDeceived()
            if !deceived.isEmpty { lookAgain(at: deceived) }
        #endif
        let result = SystemCalls.poll(epoll, events.baseAddress!, Int32(events.count), milliseconds)
        precondition(result >= 0, "epoll_wait failed with errno \(-result)")
        for index in 0..<result {
            deliver(events[index])
        }
        if result == events.count, result < Self.maximumCapacity { growEvents() }
        return result
    }

    /// Takes every event that is pending now, without waiting. Returns how many events there were.
    ///
    /// The kernel reports in the order in which descriptors became ready, and an edge-triggered one goes to the end of that
    /// order with its next event. So after as many events as there are sources each has had its own, and one that never rests
    /// cannot keep the loop here.
    package func pollAll() -> Int {
        var taken = 0
        while taken < count {
            let capacity = events.count
            let result = poll(milliseconds: 0)
            taken += result
            if result < capacity { break }
        }
        return taken
    }

    private func deliver(_ event: epoll_event) {
        let token = PollToken(userData: event.data.u64)
        let slot = slots[Int(token.slot)]
        guard slot.generation == token.generation, let source = slot.source else {
            // The source was removed, with EPOLL_CTL_DEL, after the kernel had queued this event; an earlier event of
            // the same batch may have done so. Edge-triggered, so it does not come back.
            staleEvents += 1
            return
        }
        source._withUnsafeGuaranteedRef { $0.becameReady(Self.readiness(of: event.events)) }
    }

    /// ERR and HUP cannot be masked, and mean that neither direction will ever block again: both are woken, and the call
    /// that follows collects the error.
    private static func readiness(of events: UInt32) -> Readiness {
        let failed = events & (CLINUX_EPOLLERR | CLINUX_EPOLLHUP) != 0
        var readiness: Readiness = failed ? [.readable, .writable, .hangup] : []
        if events & CLINUX_EPOLLIN != 0 { readiness.insert(.readable) }
        if events & CLINUX_EPOLLRDHUP != 0 { readiness.formUnion([.readable, .hangup]) }
        if events & CLINUX_EPOLLOUT != 0 { readiness.insert(.writable) }
        return readiness
    }

    private func growEvents() {
        let capacity = events.count * 2
        events.deallocate()
        events = .allocate(capacity: capacity)
    }
}
