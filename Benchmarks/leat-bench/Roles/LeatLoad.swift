import Leat

/// A closed loop of GETs through Leat's client: every connection has one request under way, and sends the next when that
/// is answered.
struct LeatLoad {
    let options: LoadOptions

    func run() async throws {
        let url = options.url
        try await ClientRun(options: options).measure { client, ledger in
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
        }
    }
}
