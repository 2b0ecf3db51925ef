import Leat

@main struct Fetch: LoopProgram {
    func run() async throws {
        let client = HTTPClient()
        let urls = (0..<1000).map { HTTPURL("http://127.0.0.1:8080/item/\($0)")! }
        let sizes = try await urls.concurrentMap(limit: 100) { url in
            try await withTimeout(.seconds(5)) { try await client.get(url).body.count }
        }
        print(sizes.reduce(0, +), "bytes, one thread")
    }
}
