import Leat

/// What the tasks of a client share. Confined to its loop.
final class ClientLedger: @unchecked Sendable {
    struct UnexpectedStatus: Error, CustomStringConvertible {
        let status: HTTPResponse.Status
        var description: String { "a response had status \(status.code)" }
    }

    private let keepsLatencies: Bool
    private var untaken: Int
    private var answered = 0
    private var bodyBytes = 0
    private var latencies: [UInt32] = []
    var retries = 0

    init(requests: Int, keepsLatencies: Bool) {
        untaken = requests
        self.keepsLatencies = keepsLatencies
        if keepsLatencies { latencies.reserveCapacity(requests) }
    }

    /// The time, if latencies are wanted.
    var now: Int64 { keepsLatencies ? monotonicNanoseconds() : 0 }

    /// Whether there is another request to make; if so, the caller makes it.
    func takeRequest() -> Bool {
        guard untaken > 0 else { return false }
        untaken -= 1
        return true
    }

    /// Counts a response that was collected.
    func note(_ response: HTTPClientResponse, begun: inout Int64) throws {
        try note(response.status, bodyBytes: response.body.count, begun: &begun)
    }

    /// Counts a response to a request sent at `begun`, and sets that to now. Throws if its status is not 200.
    func note(_ status: HTTPResponse.Status, bodyBytes count: Int, begun: inout Int64) throws {
        guard status == .ok else { throw UnexpectedStatus(status: status) }
        answered += 1
        bodyBytes += count
        guard keepsLatencies else { return }
        let now = monotonicNanoseconds()
        latencies.append(UInt32(clamping: now - begun))
        begun = now
    }

    func outcome(_ stopwatch: Stopwatch, _ calls: SystemCallCounts) -> ClientOutcome {
        var outcome = ClientOutcome(stopwatch, calls)
        outcome.requests = answered
        outcome.bodyBytes = bodyBytes
        outcome.retries = retries
        outcome.latencies = latencies
        return outcome
    }
}
