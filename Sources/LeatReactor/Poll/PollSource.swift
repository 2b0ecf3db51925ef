/// A descriptor that a poller watches. Subclasses say what an event means.
open class PollSource {
    /// The descriptor; -1 once closed.
    public final let descriptor: Int32
    /// Where this source sits in its poller; nil while it is not registered.
    package final var token: PollToken?

    public init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// Called on the loop, once for each event that epoll reported. It must not run user code: it notes the readiness
    /// and puts whoever waits for it among the ready.
    open func becameReady(_ readiness: Readiness) {
        fatalError("PollSource.becameReady(_:) must be overridden")
    }
}

/// The name under which a source is registered: a slot, and how often that slot had been used before.
///
/// A descriptor number is a poor name, for the kernel gives it away again at once. An event that was already queued for
/// the old owner carries the old generation, and is recognised by that.
package struct PollToken: Hashable, Sendable {
    package var slot: UInt32
    package var generation: UInt32

    package init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }

    /// What travels through the kernel in `epoll_event.data`.
    package var userData: UInt64 { UInt64(generation) << 32 | UInt64(slot) }

    package init(userData: UInt64) {
        slot = UInt32(truncatingIfNeeded: userData)
        generation = UInt32(truncatingIfNeeded: userData >> 32)
    }
}
