import CLinux
import Glibc

/// A timerfd(2) that ends the loop's wait at a deadline.
///
/// Absolute and monotonic, so it is never early and no time is lost between computing a timeout and sleeping. It is set
/// only when the first deadline is earlier than what is set already: a deadline that moved later costs a wait that ends
/// for nothing, not a system call each time it moves.
package final class DeadlineAlarm: PollSource {
    private var armed = LoopInstant.distantFuture
    /// How often the timerfd was set.
    package private(set) var settings: UInt64 = 0

    package init() throws(SystemError) {
        let descriptor = timerfd_create(CLOCK_MONOTONIC, CLINUX_TIMERFD_FLAGS)
        guard descriptor >= 0 else { throw SystemError(code: errno, operation: "timerfd_create") }
        super.init(descriptor: descriptor)
    }

    deinit { SystemCalls.close(descriptor) }

    /// Makes sure that a wait that begins now ends at `deadline` or before.
    package func arm(for deadline: LoopInstant) {
        guard deadline < armed else { return }
        let result = SystemCalls.setTimer(descriptor, to: deadline)
        precondition(result >= 0, "timerfd_settime failed with errno \(-result)")
        armed = deadline
        settings += 1
    }

    override package func becameReady(_ readiness: Readiness) {
        armed = .distantFuture
    }
}
