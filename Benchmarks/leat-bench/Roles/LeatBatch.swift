import Leat

/// The batch job as a user writes it: a task for every request, a semaphore that bounds how many are under way, and up
/// to four retries each.
struct LeatBatch {
    private static let retries = 4
    let options: LoadOptions

    func run() async throws {
        try await ClientRun(options: options).measure { client, ledger in
            let semaphore = AsyncSemaphore(value: options.connections)
            try await withThrowingDiscardingTaskGroup { group in
                for _ in 0..<options.requests {
                    group.addTask {
                        try await semaphore.withPermit { try await fetch(with: client, ledger) }
                    }
                }
            }
        }
    }

    private func fetch(with client: HTTPClient, _ ledger: ClientLedger) async throws {
        var begun = ledger.now
        var attempt = 0
        while true {
            do {
                return try ledger.note(try await client.get(options.url), begun: &begun)
            } catch  where attempt < Self.retries && !(error is CancellationError) {
                ledger.retries += 1
                try await sleep(for: .milliseconds(10 << attempt))
                attempt += 1
            }
        }
    }
}
