import CFloor
import CommandKit

/// What a client did. Made the moment it is done, before anything else costs time.
struct ClientOutcome {
    private let seconds: Double
    private let processor: ProcessorTime
    private let calls: SystemCallCounts
    private let allocations = floor_heap_allocations()
    var requests = 0
    var bodyBytes = 0
    var retries = 0
    var latencies: [UInt32] = []

    init(_ stopwatch: Stopwatch, _ calls: SystemCallCounts) {
        seconds = stopwatch.seconds
        processor = stopwatch.processor
        self.calls = calls
    }

    /// Prints the details, if they are wanted, and last the line that other harnesses read.
    func report(details: Bool) {
        if details {
            let percentiles = Percentiles(latencies)
            var fields = Fields()
            for (name, rank) in [("p50_us", 0.5), ("p99_us", 0.99), ("max_us", 1)] {
                fields.add(name, Format.fixed(percentiles.microseconds(rank), 1))
            }
            fields.add("retries", retries)
            fields.add(calls)
            fields.addAllocations(allocations)
            fields.addProcessStatus()
            Terminal.say(fields.line)
        }
        var fields = Fields()
        fields.add("requests", requests)
        fields.add("seconds", Format.fixed(seconds, 6))
        fields.add("cpu_user", Format.fixed(processor.user, 6))
        fields.add("cpu_sys", Format.fixed(processor.system, 6))
        fields.add("bytes", bodyBytes)
        Terminal.say(fields.line)
    }
}
