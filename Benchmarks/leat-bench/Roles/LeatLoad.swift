import Leat

/// A closed loop of GETs through Leat's client: every connection has one request under way, and sends the next when that
/// is answered.
struct LeatLoad {
    let options: LoadOptions

    func run() async throws {
        try await ClientRun(options: options).measure { client, ledger in
            try await withThrowingDiscardingTaskGroup { group in
                for _ in 0..<options.connections {
                    group.addTask {
                        if options.streams {
                            try await stream(with: client, ledger)
                        } else {
                            try await collect(with: client, ledger)
                        }
                    }
                }
            }
        }
    }

    private func collect(with client: HTTPClient, _ ledger: ClientLedger) async throws {
        var begun = ledger.now
        while ledger.takeRequest() {
            let response = try await client.get(options.url)
            try ledger.note(response, begun: &begun)
        }
    }

    /// Looks at each piece of a body and lets it go.
    private func stream(with client: HTTPClient, _ ledger: ClientLedger) async throws {
        let url = options.url
        let request = HTTPClientRequest(.get, url)
        var begun = ledger.now
        while ledger.takeRequest() {
            let (status, count) = try await client.perform(request) { response, body in
                var count = 0
                while let piece = try await body.read() { count += piece.count }
                return (response.status, count)
            }
            try ledger.note(status, bodyBytes: count, begun: &begun)
        }
    }
}
