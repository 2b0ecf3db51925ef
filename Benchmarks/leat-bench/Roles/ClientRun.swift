import Leat

/// What `load` and `batch` share: the client, and the frame in which its work is measured.
struct ClientRun {
    let options: LoadOptions

    /// Does `work` with a client, measures it and prints the outcome.
    func measure(_ work: (HTTPClient, ClientLedger) async throws -> Void) async throws {
        let client = HTTPClient(configuration: configuration)
        let ledger = ClientLedger(requests: options.requests, keepsLatencies: options.details)
        let calls = SystemCallCounts.ofThisThread
        let stopwatch = Stopwatch()
        try await work(client, ledger)
        ledger.outcome(stopwatch, SystemCallCounts.ofThisThread - calls).report(details: options.details)
        await client.shutdown()
    }

    /// With a bound on each request as a whole, as a program has that is to end.
    private var configuration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.maximumConnections = options.connections
        configuration.maximumConnectionsPerHost = options.connections
        configuration.totalTimeout = .seconds(30)
        return configuration
    }
}
