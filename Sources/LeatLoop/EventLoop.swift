import CLinux
import Glibc
public import LeatReactor
import Synchronization

/// A single-threaded event loop: it runs tasks, fires timers and waits for descriptors, on the thread that drives it.
///
/// A program whose `@main` type conforms to ``LoopProgram`` lives on a loop entirely. Inside another program, a loop is
/// embedded with ``run(configuration:_:)``. There, tasks started with `Task { }` and sleeps by `Task.sleep` leave the
/// loop for Swift's own thread pool: write `Task(executorPreference: loop.taskExecutor) { }` and `sleep(for:)`.
///
/// `schedule`, `stop` and the executor may be used from any thread; everything else checks that it is called on the
/// loop's own.
public final class EventLoop: @unchecked Sendable {
    /// What the loop was made with.
    public let configuration: Configuration
    package let reactor: Reactor
    /// Every wait that is going on, for introspection and for the end of the loop.
    package let waits = WaitRegistry()
    private let core: JobCore
    private let executor: LoopTaskExecutor
    /// The identity under which jobs of the main actor run; nil in an embedded loop, which has none.
    private var mainExecutor: UnownedSerialExecutor?
    private let slowJobs: SlowJobDetector?
    package let offloading: Offloading

    /// What the layer above does at the end of a turn; nil until it is first used.
    @exclusivity(unchecked) private var turnEndIfAny: TurnEnd?

    /// How many ``withDeadline(_:_:)`` are going on.
    @exclusivity(unchecked) var deadlineScopes = 0

    private var isDriven = false
    @exclusivity(unchecked) private var stopRequested = false
    @exclusivity(unchecked) private var jobs: UInt64 = 0
    @exclusivity(unchecked) private var turns: UInt64 = 0
    /// Operations that the job that runs now may still do without waiting.
    @exclusivity(unchecked) private var jobBudget = 0
    /// Operations that all jobs together may still do before the next poll.
    @exclusivity(unchecked) private var turnBudget = 0
    @exclusivity(unchecked) private var runsJobs = false
    private let forks = clinux_fork_count()
    /// Whether nobody will drive this loop any more.
    private let isOver = Atomic(false)

    /// Makes a loop that nothing drives yet. Throws ``SystemError`` if the kernel gives no descriptors.
    public init(configuration: Configuration = Configuration()) throws(SystemError) {
        self.configuration = configuration
        reactor = try Reactor(clock: configuration.clock)
        core = JobCore(wakeup: reactor.wakeup)
        executor = LoopTaskExecutor(core: core)
        slowJobs = configuration.debug ? SlowJobDetector(threshold: configuration.slowJobThreshold) : nil
        offloading = Offloading(threads: configuration.offloadThreads)
        core.belongs(to: self)
    }

    deinit { dropUnrunWork() }

    /// Jobs of Swift tasks that never ran are lost with the loop; work of our own is released.
    func dropUnrunWork() {
        core.takeInbox()
        while let job = core.ready.popFirst() {
            if case .work(let work) = job { work.release() }
        }
    }

    /// Makes this the loop of the whole process. Called once, before the first task exists.
    func takeOverProcess() {
        let tasks = ProcessDefaultExecutor(core: core, reactor: reactor)
        let main = ProcessMainExecutor(core: core, loop: self)
        mainExecutor = main.asUnownedSerialExecutor()
        ProcessExecutorFactory.install(main: main, task: tasks)
    }

    // MARK: Which loop

    /// The loop that runs the caller. Traps outside of one; see ``currentIfAny``.
    public static var current: EventLoop {
        guard let loop = currentIfAny else {
            preconditionFailure(
                """
                this code does not run on an event loop. In an embedded loop, `Task { }` leaves it: \
                use Task(executorPreference: loop.taskExecutor) { }, or make the program a LoopProgram
                """
            )
        }
        return loop
    }

    /// The loop that runs the caller, or nil if none does.
    public static var currentIfAny: EventLoop? {
        clinux_current_loop().map { Unmanaged<EventLoop>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Whether the caller runs on this loop.
    public var isCurrent: Bool { core.isOnLoop }

    /// Traps unless the caller runs on this loop. The one check behind every `@unchecked Sendable` of Leat.
    @inline(__always)
    package func preconditionOnLoop(_ function: StaticString = #function) {
        precondition(core.isOnLoop, "\(function) was called off its event loop")
    }

    /// The executor to prefer for tasks that are to run on this loop: `Task(executorPreference: loop.taskExecutor) { }`.
    /// Child tasks, `async let` and task groups inherit it; `Task { }` does not, except in a ``LoopProgram``.
    public var taskExecutor: any TaskExecutor { executor }

    /// What tasks that Leat itself starts prefer. In a process that lives on the loop they need no preference, and without
    /// one the runtime need not look it up, under a lock, at every switch.
    package var preference: (any TaskExecutor)? { mainExecutor == nil ? executor : nil }

    /// The time of the current turn: one reading of the clock that everything in the turn shares.
    public var now: LoopInstant { reactor.now }

    /// Whether an I/O deadline has passed, and everything that had arrived by then has been delivered.
    @inline(__always)
    package func hasPassed(_ deadline: LoopInstant) -> Bool { deadline <= reactor.previousTurnTime }

    // MARK: Running

    /// Runs turns until `isDone` says so or ``stop()`` was called.
    package func drive(until isDone: () -> Bool) {
        precondition(!isDriven, "this event loop is running already")
        precondition(clinux_current_loop() == nil, "an event loop cannot be run from inside another one")
        precondition(
            forks == clinux_fork_count(),
            "this event loop was made before a fork: make a new one in the child"
        )
        isDriven = true
        clinux_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
        defer {
            clinux_set_current_loop(nil)
            isDriven = false
            stopRequested = false
        }
        while true {
            runReadyJobs()
            if let turnEndIfAny { turnEndIfAny.turnEnds() }
            if stopRequested || isDone() { return }
            core.takeInbox()
            reactor.turn(mayWait: core.ready.isEmpty)
            turns &+= 1
        }
    }

    /// Whether jobs wait to be run.
    var hasReadyJobs: Bool { !core.ready.isEmpty }

    /// Whether a job runs, rather than an event, a timer or the end of the turn.
    package var isRunningJobs: Bool { runsJobs }

    /// Runs what is ready, but no more than a bounded number of jobs and operations: a job that makes another ready, and
    /// so on for ever, cannot keep the loop from its descriptors and timers, and neither can sockets that are always ready.
    private func runReadyJobs() {
        let task = executor.asUnownedTaskExecutor()
        var budget = configuration.maximumJobsPerTurn
        turnBudget = configuration.maximumOperationsPerTurn
        runsJobs = true
        defer { runsJobs = false }
        while budget > 0, turnBudget > 0, let job = core.ready.popFirst() {
            budget -= 1
            jobBudget = configuration.maximumOperationsPerJob
            if let slowJobs {
                slowJobs.time(clock: reactor.clock) { run(job, as: task) }
            } else {
                run(job, as: task)
            }
        }
        jobs &+= UInt64(configuration.maximumJobsPerTurn - budget)
    }

    @inline(__always)
    private func run(_ job: ReadyJob, as task: UnownedTaskExecutor) {
        switch job {
        case .task(let job): job.runSynchronously(on: task)
        case .main(let job): job.runSynchronously(on: mainExecutor!)
        case .generic(let job): job.runSynchronously(on: Self.genericExecutor)
        case .work(let work): work.takeRetainedValue().perform()
        }
    }

    /// The runtime's "no executor in particular". The only way to spell it; its two words are zero by ABI.
    private static var genericExecutor: UnownedSerialExecutor {
        unsafeBitCast((UInt(0), UInt(0)), to: UnownedSerialExecutor.self)
    }

    /// Ends ``run(_:)`` or ``runForever()`` after the current turn. Callable from any thread.
    public func stop() {
        execute { self.stopRequested = true }
    }

    // MARK: For the layers above

    /// Runs `work` now if the caller is on the loop, soon otherwise. When the loop has ended it is run at once: what is dropped
    /// later still gives everything back.
    package func execute(_ work: @escaping @Sendable () -> Void) {
        if core.isOnLoop || isOver.load(ordering: .acquiring) {
            work()
        } else {
            enqueue(ScheduledWork(loop: self, work))
        }
    }

    /// Whether nobody will drive this loop any more.
    package var hasEnded: Bool { isOver.load(ordering: .acquiring) }

    func markOver() { isOver.store(true, ordering: .releasing) }

    /// What the layer above does at the end of each turn. `make` is called the first time.
    @inline(__always)
    package func turnEnd(_ make: () -> TurnEnd) -> TurnEnd {
        if let turnEndIfAny { return turnEndIfAny }
        let made = make()
        turnEndIfAny = made
        return made
    }

    /// Starts a task on this loop. In a process that lives on the loop it states no preference: even a nil one would cost
    /// a mutex at each switch.
    @discardableResult
    package func startTask(_ body: sending @escaping @isolated(any) () async -> Void) -> Task<Void, Never> {
        guard let preference else { return Task(operation: body) }
        return Task(executorPreference: preference, operation: body)
    }

    func enqueue(_ work: ScheduledWork) {
        core.enqueue(.work(.passRetained(work)))
    }

    /// Accounts for an operation that succeeded without waiting, or for a request that a server answers. Returns false
    /// once the job, or the turn, has had its share: the caller must then yield before it goes on, or a socket that is
    /// always ready would keep its task, and the loop, for ever.
    @inline(__always)
    package func spendBudget() -> Bool {
        jobBudget &-= 1
        turnBudget &-= 1
        return jobBudget | turnBudget >= 0
    }

    /// A wait begins: it is listed, its timer set, and debug mode told where its job ended up.
    func waitBegins(_ spot: ParkingSpot) {
        preconditionOnLoop("wait")
        waits.insert(spot)
        slowJobs?.lastWait = spot.reason
        spot.begin(in: reactor)
    }

    /// What this loop has done since it was made. O(1).
    public var statistics: Statistics {
        Statistics(
            turns: turns,
            jobs: jobs,
            remoteJobs: core.remoteJobs,
            staleEvents: reactor.poller.staleEvents,
            alarmSettings: reactor.alarmSettings,
            timers: reactor.timerCount,
            descriptors: reactor.poller.count - 2,
            waits: waits.count
        )
    }
}
