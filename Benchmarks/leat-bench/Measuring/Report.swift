import CFloor

/// Figures on their way from a child process to its parent, as lines of `name=value`.
struct Fields {
    private(set) var values: [(name: String, value: String)] = []

    init() {}

    init(parsing line: String) {
        for word in line.split(separator: " ") {
            guard let equals = word.firstIndex(of: "=") else { continue }
            values.append((String(word[..<equals]), String(word[word.index(after: equals)...])))
        }
    }

    mutating func merge(_ other: Fields) { values += other.values }

    mutating func add(_ name: String, _ value: some CustomStringConvertible) {
        values.append((name, value.description))
    }

    /// Adds the figures of `calls`.
    mutating func add(_ calls: SystemCallCounts) {
        add("calls_send", calls.send)
        add("calls_receive", calls.receive)
        add("calls_poll", calls.poll)
        add("calls_other", calls.other)
    }

    /// Adds the heap allocations of this thread so far, if this build counts them.
    mutating func addAllocations(_ allocations: Int64 = floor_heap_allocations()) {
        if allocations >= 0 { add("allocations", allocations) }
    }

    /// Adds how many threads this process has and how much memory it had at most.
    mutating func addProcessStatus() {
        guard let status = ProcessStatus() else { return }
        add("threads", status.threads)
        add("peak_kib", status.peakKiB)
    }

    /// The number of that name. Throws if there is none.
    func number(_ name: String) throws -> Double {
        guard let entry = values.last(where: { $0.name == name }), let number = Double(entry.value) else {
            throw ChildProcess.Failure("a child process did not report \(name)")
        }
        return number
    }

    /// The line. The child's output is a pipe, so it must be flushed to be seen.
    var line: String { values.map { "\($0.name)=\($0.value)" }.joined(separator: " ") }
}

/// What a client's process reported of its work.
struct ClientReport {
    var requests: Double
    var bodyBytes: Double
    var seconds: Double
    var processorSeconds: Double
    var p50: Double
    var p99: Double
    var calls: Double
    /// Of the process from its start to the last response; not a number where they are not counted.
    var allocations: Double
    var threads: Double
    var peakKiB: Double
    var retries: Double

    init(_ fields: Fields) throws {
        requests = try fields.number("requests")
        bodyBytes = try fields.number("bytes")
        seconds = try fields.number("seconds")
        processorSeconds = try fields.number("cpu_user") + fields.number("cpu_sys")
        p50 = try fields.number("p50_us")
        p99 = try fields.number("p99_us")
        calls = try fields.totalCalls()
        allocations = fields.allocations
        threads = try fields.number("threads")
        peakKiB = try fields.number("peak_kib")
        retries = (try? fields.number("retries")) ?? 0
    }

    var rate: Double { requests / seconds }
    var processorMicroseconds: Double { processorSeconds / requests * 1e6 }
    var callsPerRequest: Double { calls / requests }
}

extension Fields {
    /// Not a number where they are not counted.
    var allocations: Double { (try? number("allocations")) ?? .nan }

    func totalCalls() throws -> Double {
        try number("calls_send") + number("calls_receive") + number("calls_poll") + number("calls_other")
    }
}
