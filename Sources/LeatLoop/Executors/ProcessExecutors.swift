import LeatReactor
// The one file that uses the toolchain's SPI: what puts a whole process on the loop. Everything else works without it.
// Checked with Swift 6.3.1; see docs/decisions/0003-process-executor.md for what may change and how to tell.
@_spi(ExperimentalCustomExecutors) @_spi(ExperimentalScheduling) import _Concurrency

/// The default executor of a process that lives on a loop: it also takes the standard library's delayed jobs, so that
/// `Task.sleep` is a timer in the loop's heap.
final class ProcessDefaultExecutor: TaskExecutor, SchedulingExecutor, @unchecked Sendable {
    private let core: JobCore
    private let reactor: Reactor

    init(core: JobCore, reactor: Reactor) {
        self.core = core
        self.reactor = reactor
    }

    func enqueue(_ job: consuming ExecutorJob) {
        core.enqueue(.generic(UnownedJob(job)))
    }

    func enqueue<C: Clock>(
        _ job: consuming ExecutorJob,
        at instant: C.Instant,
        tolerance: C.Duration?,
        clock: C
    ) {
        set(UnownedJob(job), after: clock.now.duration(to: instant), of: clock)
    }

    func enqueue<C: Clock>(
        _ job: consuming ExecutorJob,
        after delay: C.Duration,
        tolerance: C.Duration?,
        clock: C
    ) {
        set(UnownedJob(job), after: delay, of: clock)
    }

    private func set<C: Clock>(_ job: UnownedJob, after delay: C.Duration, of clock: C) {
        guard let delay = delay as? Swift.Duration else {
            preconditionFailure("a sleep on \(C.self) cannot be timed: its Duration is not Swift.Duration")
        }
        precondition(core.isOnLoop, "Task.sleep reached the loop's executor from another thread")
        // Measured from a fresh reading: the turn's own may be old, and a sleep must not be short by that.
        reactor.set(DelayedJob(job, core: core), at: reactor.clock.now.advanced(by: delay))
    }
}

/// A job of the standard library's sleep, waiting in the timer heap.
private final class DelayedJob: LoopTimer {
    private let job: UnownedJob
    private let core: JobCore

    init(_ job: UnownedJob, core: JobCore) {
        self.job = job
        self.core = core
    }

    override func fire(at now: LoopInstant) {
        core.enqueue(.generic(job))
    }
}

/// The main actor's executor in a process that lives on a loop.
final class ProcessMainExecutor: MainExecutor, @unchecked Sendable {
    private let core: JobCore
    private unowned(unsafe) let loop: EventLoop

    /// The loop outlives its executors: it holds them, and a process's loop is never released.
    init(core: JobCore, loop: EventLoop) {
        self.core = core
        self.loop = loop
    }

    func enqueue(_ job: consuming ExecutorJob) {
        core.enqueue(.main(UnownedJob(job)))
    }

    func checkIsolated() {
        precondition(core.isOnLoop, "the main actor of this process lives on its event loop")
    }

    func run() throws { loop.runForever() }

    func stop() { loop.stop() }
}

/// Hands the two executors to the concurrency runtime. They are set once, before the first task of the process exists.
enum ProcessExecutorFactory: ExecutorFactory {
    nonisolated(unsafe) private static var installed: (main: ProcessMainExecutor, task: ProcessDefaultExecutor)?

    static func install(main: ProcessMainExecutor, task: ProcessDefaultExecutor) {
        precondition(installed == nil, "a process has one loop program")
        installed = (main, task)
        _createExecutors(factory: Self.self)
    }

    static var mainExecutor: any MainExecutor { installed!.main }
    static var defaultExecutor: any TaskExecutor { installed!.task }
}
