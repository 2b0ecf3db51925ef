import Leat

/// A closed loop of GETs through Leat's client: every connection has one request under way, and sends the next when that
/// is answered.
struct LeatLoad {
    let options: LoadOptions

    func run() async throws {
        var configuration = HTTPClient.Configuration()
        configuration.maximumConnections = options.connections
        configuration.maximumConnectionsPerHost = options.connections
        let client = HTTPClient(configuration: configuration)
        let ledger = ClientLedger(requests: options.requests, keepsLatencies: options.details)
        let url = options.url
        let calls = SystemCallCounts.ofThisThread
        let stopwatch = Stopwatch()
        try await withThrowingDiscardingTaskGroup { group in
            for _ in 0..<options.connections {
                group.addTask {
                    var begun = ledger.now
                    while ledger.takeRequest() {
                        let response = try await client.get(url)
                        try ledger.note(response, begun: &begun)
                    }
                }
            }
        }
        ledger.outcome(stopwatch, SystemCallCounts.ofThisThread - calls).report(details: options.details)
        await client.shutdown()
    }
}

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

    /// Counts a response to a request sent at `begun`, and sets that to now. Throws if its status is not 200.
    func note(_ response: HTTPClientResponse, begun: inout Int64) throws {
        guard response.status == .ok else { throw UnexpectedStatus(status: response.status) }
        answered += 1
        bodyBytes += response.body.count
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
