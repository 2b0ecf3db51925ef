import CommandKit
import Leat

/// One small thing, done very often: what the runtime costs by itself. The line that is printed is the one that
/// Benchmarks/peers reads from every contender.
enum MicroWorkload: String, CaseIterable {
    case spawn, spawnbatch, yield, pingpong, timers, sleep

    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

    init(parsing arguments: inout Arguments) throws {
        guard case .operand(let name)? = try arguments.next() else {
            throw UsageError("micro needs a case: \(Self.names)")
        }
        guard let workload = MicroWorkload(rawValue: name) else {
            throw UsageError("there is no case '\(name)'; there are \(Self.names)")
        }
        try arguments.end()
        self = workload
    }

    func run() async throws {
        switch self {
        case .spawn: await spawn()
        case .spawnbatch: await spawnBatch()
        case .yield: await yield()
        case .pingpong: try await pingpong()
        case .timers: try await timers()
        case .sleep: await sleep()
        }
    }

    private func report(_ stopwatch: Stopwatch, operations: Int, _ extras: (name: String, value: Int)...) {
        let (seconds, processor) = (stopwatch.seconds, stopwatch.processor)
        var fields = Fields()
        fields.add("case", rawValue)
        fields.add("ops", operations)
        fields.add("seconds", Format.fixed(seconds, 6))
        fields.add("cpu_user", Format.fixed(processor.user, 6))
        fields.add("cpu_sys", Format.fixed(processor.system, 6))
        fields.add("rss_kb", Self.residentKiB)
        for extra in extras { fields.add(extra.name, extra.value) }
        Terminal.say(fields.line)
    }

    private static var residentKiB: Int { ProcessStatus()?.residentKiB ?? 0 }

    // MARK: Tasks

    /// A million tasks, one after the other.
    private func spawn() async {
        let count = 1_000_000
        let stopwatch = Stopwatch()
        var sum = 0
        for index in 0..<count { sum &+= await Task { index }.value }
        report(stopwatch, operations: count, ("check", sum))
    }

    /// A million tasks, a thousand at a time.
    private func spawnBatch() async {
        let (batches, size) = (1_000, 1_000)
        let stopwatch = Stopwatch()
        var sum = 0
        for batch in 0..<batches {
            sum &+= await withTaskGroup(of: Int.self) { group in
                for index in 0..<size { group.addTask { batch * size + index } }
                return await group.reduce(0, &+)
            }
        }
        report(stopwatch, operations: batches * size, ("check", sum))
    }

    /// Two tasks that let each other go first.
    private func yield() async {
        let count = 1_000_000
        let stopwatch = Stopwatch()
        let tasks = (0..<2).map { _ in
            Task { for _ in 0..<count { await Task.yield() } }
        }
        for task in tasks { await task.value }
        report(stopwatch, operations: 2 * count)
    }

    /// Two tasks that hand a number back and forth.
    private func pingpong() async throws {
        let count = 200_000
        let (ping, pong) = (HandOver(), HandOver())
        let stopwatch = Stopwatch()
        let echo = Task {
            for _ in 0..<count { pong.send(try await ping.receive() + 1) }
        }
        var number = 0
        for _ in 0..<count {
            ping.send(number)
            number = try await pong.receive()
        }
        try await echo.value
        report(stopwatch, operations: 2 * count, ("check", number))
    }

    // MARK: Time

    /// A million timers within a second, every second one cancelled.
    private func timers() async throws {
        let count = 1_000_000
        let loop = EventLoop.current
        let tally = TimerTally()
        var random = LinearGenerator(seed: 42)
        let before = Self.residentKiB
        let stopwatch = Stopwatch()
        for index in 0..<count {
            let timer = loop.schedule(after: .microseconds(random.next(below: 1_000_000))) { tally.fired += 1 }
            if !index.isMultiple(of: 2) { timer.cancel() }
        }
        let bytes = (Self.residentKiB - before) * 1024 / count
        while tally.fired < count / 2 { try await Leat.sleep(for: .milliseconds(5)) }
        report(stopwatch, operations: count, ("fired", tally.fired), ("bytes_per_task", bytes))
    }

    /// A hundred thousand tasks that sleep for a second; how much longer it was is each task's own measurement.
    private func sleep() async {
        let count = 100_000
        let tally = TimerTally()
        tally.lateness.reserveCapacity(count)
        let before = Self.residentKiB
        let stopwatch = Stopwatch()
        await withDiscardingTaskGroup { group in
            for _ in 0..<count {
                group.addTask {
                    let begun = monotonicNanoseconds()
                    try? await Leat.sleep(for: .seconds(1))
                    let late = monotonicNanoseconds() - begun - 1_000_000_000
                    if tally.lateness.isEmpty { tally.residentKiB = Self.residentKiB }
                    tally.lateness.append(UInt32(clamping: late))
                }
            }
        }
        let lateness = Percentiles(tally.lateness)
        report(
            stopwatch,
            operations: count,
            ("overshoot_p50_us", Int(lateness.microseconds(0.5))),
            ("overshoot_p99_us", Int(lateness.microseconds(0.99))),
            ("overshoot_max_us", Int(lateness.microseconds(1))),
            ("bytes_per_task", (tally.residentKiB - before) * 1024 / count)
        )
    }
}

/// A channel with one place. Confined to its loop.
private final class HandOver: @unchecked Sendable {
    private let full = AsyncSemaphore(value: 0)
    private var number = 0

    func send(_ number: Int) {
        self.number = number
        full.release()
    }

    func receive() async throws -> Int {
        try await full.acquire()
        return number
    }
}

/// What the timers did. Confined to its loop.
private final class TimerTally: @unchecked Sendable {
    var fired = 0
    var lateness: [UInt32] = []
    var residentKiB = 0
}
