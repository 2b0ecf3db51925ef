import Glibc

/// A value that threads share, under a POSIX mutex.
///
/// Not `Synchronization.Mutex`: on Linux that is a futex of its own, which the thread sanitizer cannot see, and would
/// report every access under it as a race.
package final class Lock<State>: @unchecked Sendable {
    // A mutex must not move, hence the allocation.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var state: State

    package init(_ state: State) {
        self.state = state
        let result = pthread_mutex_init(mutex, nil)
        precondition(result == 0, "pthread_mutex_init failed with errno \(result)")
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Calls `body` with the value, while no other thread has it. Not to be nested.
    @inline(__always)
    package func withLock<Result>(_ body: (inout State) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&state)
    }
}
