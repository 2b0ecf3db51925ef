import CLinux
import Glibc

/// An eventfd(2) by which another thread ends the loop's wait.
///
/// It does not coalesce by itself: the inbox, which knows whether the loop already owes it a look, writes at most once
/// per sleep of the loop. Sendable, for `signal()` reads nothing but the immutable descriptor.
package final class Wakeup: PollSource, @unchecked Sendable {
    package init() throws(SystemError) {
        let descriptor = eventfd(0, CLINUX_EVENTFD_FLAGS)
        guard descriptor >= 0 else { throw SystemError(code: errno, operation: "eventfd") }
        super.init(descriptor: descriptor)
    }

    deinit { SystemCalls.close(descriptor) }

    /// Ends the wait. Callable from any thread for as long as this object lives.
    package func signal() {
        _ = SystemCalls.addOne(descriptor)
    }

    /// Nothing to read: edge-triggered, each write is an event of its own.
    override package func becameReady(_ readiness: Readiness) {}
}
