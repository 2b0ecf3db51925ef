import CFloor
import CommandKit
import Leat

/// A million sleeps at once, half of them cancelled: the memory of the cancelled comes back at once and that of the rest
/// when they end, and none ends early.
///
/// The latest of a million are late by about a tenth of a second: glibc's free joins the half million blocks of the
/// cancelled in one go (malloc_consolidate), once, while the loop waits.
struct TimersCase {
    /// A promise was not kept.
    struct BrokenPromise: Error, CustomStringConvertible {
        let description: String
    }

    private struct Sample {
        var moment: String
        var sleeping: Int
        var heap = 0
        var residentKiB = 0

        init(_ moment: String, sleeping: Int) {
            self.moment = moment
            self.sleeping = sleeping
            // Not while others sleep: it takes a while, and would make them late.
            if sleeping == 0 { floor_heap_trim() }
            heap = floor_heap_in_use()
            residentKiB = ProcessStatus()?.residentKiB ?? 0
        }
    }

    let options: TimersOptions

    func run() async throws {
        let diary = SleepDiary(capacity: options.sleeps)
        let cancelled = options.sleeps / 2
        var samples = [Sample("at the beginning", sleeping: 0)]
        let stopwatch = Stopwatch()

        var victims = startSleeps(diary)
        while diary.begun < options.sleeps { await Task.yield() }
        samples.append(Sample("all asleep", sleeping: options.sleeps - diary.woken))

        for victim in victims { victim.cancel() }
        victims.removeAll()
        while diary.cancelled < cancelled { await Task.yield() }
        samples.append(Sample("half of them cancelled", sleeping: options.sleeps - cancelled - diary.woken))

        while diary.woken < options.sleeps - cancelled { try await sleep(for: .milliseconds(20)) }
        // The last task has written in the diary; it is gone a turn later.
        try await sleep(for: .milliseconds(20))
        let seconds = stopwatch.seconds
        let lateness = Percentiles(diary.takeLateness())
        samples.append(Sample("all over", sleeping: 0))

        report(samples, lateness, diary, seconds, stopwatch.processor)
        try check(samples, diary)
    }

    /// Starts the sleeps, each between once and twice the shortest. Returns every other task: those to be cancelled.
    private func startSleeps(_ diary: SleepDiary) -> [Task<Void, Never>] {
        var random = LinearGenerator(seed: 42)
        var victims: [Task<Void, Never>] = []
        victims.reserveCapacity(options.sleeps / 2)
        for index in 0..<options.sleeps {
            let duration = options.shortest + .microseconds(random.next(below: options.shortest.wholeMicroseconds))
            let task = Task { await diary.sleep(duration) }
            if !index.isMultiple(of: 2) { victims.append(task) }
        }
        return victims
    }

    // MARK: What came of it

    private func report(
        _ samples: [Sample],
        _ lateness: Percentiles,
        _ diary: SleepDiary,
        _ seconds: Double,
        _ processor: ProcessorTime
    ) {
        let perSleep = (samples[1].heap - samples[0].heap) / max(samples[1].sleeping, 1)
        let perSleepProcessor = (processor.user + processor.system) / Double(options.sleeps) * 1e6
        let late = [0.5, 0.9, 0.99, 1].map { lateness.microseconds($0) }
        if options.json {
            Terminal.say(
                JSON.object([
                    ("machine", Machine().json), ("sleeps", .integer(options.sleeps)),
                    ("cancelled", .integer(diary.cancelled)), ("early", .integer(diary.early)),
                    ("late_p50_us", .measured(late[0])), ("late_p90_us", .measured(late[1])),
                    ("late_p99_us", .measured(late[2])), ("late_max_us", .measured(late[3])),
                    ("bytes_per_sleep", .integer(perSleep)),
                    ("cpu_us_per_sleep", .measured(perSleepProcessor)), ("seconds", .measured(seconds)),
                    ("heap_bytes", .array(samples.map { .integer($0.heap) })),
                    ("resident_kib", .array(samples.map { .integer($0.residentKiB) })),
                ]).indentedText
            )
            return
        }
        let table = Table(
            title: "Timers: \(Format.grouped(options.sleeps)) sleeping tasks, every second one cancelled",
            columns: ["", "sleeping", "heap MiB", "resident MiB"],
            groups: samples.map { sample in
                [
                    Table.Row(cells: [
                        sample.moment, Format.grouped(sample.sleeping), Format.mebibytes(bytes: sample.heap),
                        Format.mebibytes(kibibytes: Double(sample.residentKiB)),
                    ])
                ]
            }
        )
        let woken = Format.grouped(diary.woken)
        Terminal.say(
            """
            \(Machine().line)

            \(table.render())
            \(diary.early == 0 ? "None" : "\(diary.early)") of \(woken) woke early. \
            Late by: p50 \(Format.short(late[0])) µs, p90 \(Format.short(late[1])) µs, \
            p99 \(Format.short(late[2])) µs, at most \(Format.short(late[3])) µs.
            \(Format.grouped(perSleep)) bytes and \(Format.fixed(perSleepProcessor, 2)) µs of CPU a sleep, \
            task and all. Took \(Format.fixed(seconds, 1)) s.
            """
        )
    }

    private func check(_ samples: [Sample], _ diary: SleepDiary) throws {
        if diary.early > 0 { throw BrokenPromise(description: "\(diary.early) sleeps ended early") }
        // The loop keeps room for as many timers as there once were; the tasks and their sleeps must be gone.
        let peak = samples[1].heap - samples[0].heap
        let kept = samples[3].heap - samples[0].heap
        if kept > peak / 4 { throw BrokenPromise(description: "\(kept) of \(peak) bytes did not come back") }
    }
}

/// What became of the sleeps. Confined to its loop.
private final class SleepDiary: @unchecked Sendable {
    private(set) var begun = 0
    private(set) var woken = 0
    private(set) var cancelled = 0
    private(set) var early = 0
    private var lateness: [UInt32] = []

    init(capacity: Int) {
        lateness.reserveCapacity(capacity)
    }

    func sleep(_ duration: Duration) async {
        begun += 1
        let due = monotonicNanoseconds() + duration.wholeMicroseconds * 1_000
        do {
            try await Leat.sleep(for: duration)
        } catch {
            cancelled += 1
            return
        }
        let late = monotonicNanoseconds() - due
        woken += 1
        if late < 0 { early += 1 }
        lateness.append(UInt32(clamping: late))
    }

    func takeLateness() -> [UInt32] {
        defer { lateness = [] }
        return lateness
    }
}

extension Duration {
    var wholeMicroseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }
}

/// The generator that all the peers of the benchmark use, so that all set the same timers.
struct LinearGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next(below bound: Int64) -> Int64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int64((state >> 33) % UInt64(bound))
    }
}
