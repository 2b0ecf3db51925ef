/// Heap allocations per request in the steady state: what a longer run allocates more than a shorter one. What it takes to
/// start, to connect and to warm up is in both. These runs are apart from those that are timed.
enum AllocationCount {
    /// Both clients, asking the floor's server for `url`.
    static func ofClients(
        _ stage: Stage,
        _ url: String,
        connections: Int,
        requests: (shorter: Int, longer: Int) = (2_000, 10_000)
    ) throws -> (floor: Double, leat: Double) {
        func count(_ role: String) throws -> Double {
            try perRequest(requests) {
                try stage.run(role, url, requests: $0, connections: connections).allocations
            }
        }
        return (try count("floor-client"), try count("load"))
    }

    /// Both servers, a new one for each run, asked by the floor's client.
    static func ofServers(_ stage: Stage, connections: Int) throws -> (floor: Double, leat: Double) {
        func count(_ start: () throws -> ServerProcess) throws -> Double {
            try perRequest((2_000, 10_000)) { requests in
                let server = try start()
                _ = try stage.run("floor-client", server.url, requests: requests, connections: connections)
                return try server.finish().allocations
            }
        }
        return (try count(stage.startFloor), try count(stage.startLeat))
    }

    private static func perRequest(
        _ requests: (shorter: Int, longer: Int),
        _ allocations: (_ requests: Int) throws -> Double
    ) rethrows -> Double {
        let more = try allocations(requests.longer) - allocations(requests.shorter)
        return more / Double(requests.longer - requests.shorter)
    }
}
