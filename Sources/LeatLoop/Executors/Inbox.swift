import LeatReactor

/// Where other threads leave work for the loop, and what wakes it.
///
/// However many threads push, the loop is woken once per sleep: `wakeOwed` is set, under the lock, by the push that
/// writes to the eventfd, stays set while the loop is up and about, and is cleared only when a take finds nothing, which
/// is the last thing the loop does before it sleeps.
final class Inbox: Sendable {
    private struct State: @unchecked Sendable {
        var jobs: [ReadyJob] = []
        var wakeOwed = false
    }

    private let state = Lock(State())
    private let wakeup: Wakeup

    init(wakeup: Wakeup) {
        self.wakeup = wakeup
    }

    /// Leaves a job and makes sure that the loop will look. Callable from any thread.
    func push(_ job: ReadyJob) {
        let mustWake = state.withLock { state in
            state.jobs.append(job)
            if state.wakeOwed { return false }
            state.wakeOwed = true
            return true
        }
        if mustWake { wakeup.signal() }
    }

    /// Hands over everything that was left. Called by the loop.
    func take(_ body: ([ReadyJob]) -> Void) {
        let jobs = state.withLock { state in
            if state.jobs.isEmpty {
                state.wakeOwed = false
                return [ReadyJob]()
            }
            let jobs = state.jobs
            state.jobs = []
            return jobs
        }
        if !jobs.isEmpty { body(jobs) }
    }
}
