import CLinux
import LeatReactor

/// One entry of the ready deque: a piece of work, and in which role it is to be run.
///
/// The role matters, for a job that runs under another identity than it came in by is sent back by the runtime at its
/// next step. A task that prefers the loop's executor runs under that; a job of the main actor under the main executor;
/// a task of the process's default executor, and the end of a `Task.sleep`, under the generic one (see
/// `docs/decisions/0002-two-executors.md`).
enum ReadyJob: Sendable {
    case task(UnownedJob)
    case main(UnownedJob)
    case generic(UnownedJob)
    /// Owned: whoever takes it out releases it.
    case work(Unmanaged<ScheduledWork>)
}

/// What the executors of a loop share with it: the ready deque, and the inbox for other threads.
final class JobCore: @unchecked Sendable {
    /// Touched by the loop's own thread only.
    @exclusivity(unchecked) var ready = ReadyDeque<ReadyJob>(minimumCapacity: 256)
    let inbox: Inbox
    /// The loop's address: what the thread-local says on its thread.
    @exclusivity(unchecked) private(set) var loopAddress: UnsafeRawPointer?
    /// Jobs that came from another thread.
    private(set) var remoteJobs: UInt64 = 0

    init(wakeup: Wakeup) {
        inbox = Inbox(wakeup: wakeup)
    }

    func belongs(to loop: EventLoop) {
        loopAddress = UnsafeRawPointer(Unmanaged.passUnretained(loop).toOpaque())
    }

    @inline(__always)
    var isOnLoop: Bool { UnsafeRawPointer(clinux_current_loop()) == loopAddress }

    /// Puts work among the ready, from any thread.
    @inline(__always)
    func enqueue(_ job: ReadyJob) {
        if isOnLoop { ready.append(job) } else { inbox.push(job) }
    }

    /// Moves what other threads left into the ready deque.
    func takeInbox() {
        inbox.take { jobs in
            remoteJobs &+= UInt64(jobs.count)
            for job in jobs { ready.append(job) }
        }
    }
}
