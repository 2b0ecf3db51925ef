import CommandKit

/// Leat's client against the floor's, both asking the floor's server. The processor time is the client's.
struct ClientCase {
    let requests: Int
    let runs: Interleaved<ClientReport>
    let allocations: (floor: Double, leat: Double)

    init(_ stage: Stage, requests: Int, rounds: Int) throws {
        self.requests = requests
        func ask(_ role: String, _ requests: Int) throws -> ClientReport {
            try stage.run([role], stage.floor.url, requests: requests, connections: Throughput.connections)
        }
        func run(_ role: String) throws -> ClientReport {
            Terminal.progress("client throughput: \(role) …")
            return try ask(role, requests)
        }
        runs = try Interleaved(rounds: rounds) {
            try run("floor-client")
        } leat: {
            try run("load")
        }
        Terminal.progress("client allocations …")
        func count(_ role: String) throws -> Double {
            try AllocationCount.perRequest { try ask(role, $0).allocations }
        }
        allocations = (try count("floor-client"), try count("load"))
    }

    var processorRatio: Spread { runs.ratio(\.processorMicroseconds) }

    var table: Table {
        ThroughputTable(
            title: "Client: keep-alive GETs of 13 bytes over \(Throughput.connections) connections",
            subtitle:
                "\(Format.grouped(requests)) requests a run, \(runs.leats.count) × Leat, to the floor's "
                + "server; processor time of the client.",
            note:
                "Leat allocates what the caller keeps, the fields and the body, and the exchange.",
            floor: side(runs.floor, allocations.floor),
            leat: side(runs.leat, allocations.leat),
            rateOverFloor: runs.ratio(\.rate),
            processorOverFloor: processorRatio
        ).table
    }

    private func side(_ of: ((ClientReport) -> Double) -> Spread, _ allocations: Double) -> ThroughputTable.Side {
        ThroughputTable.Side(
            rate: of(\.rate).median,
            processorMicroseconds: of(\.processorMicroseconds).median,
            callsPerRequest: of(\.callsPerRequest).median,
            allocationsPerRequest: allocations,
            p50: of(\.p50).median,
            p99: of(\.p99).median,
            threads: of(\.threads).high,
            peakKiB: of(\.peakKiB).high
        )
    }
}

extension ClientCase: JSONConvertible {
    var json: JSON {
        .object([
            ("connections", .integer(Throughput.connections)), ("requests", .integer(requests)),
            ("floor", .array(runs.floors.map(\.json))), ("leat", .array(runs.leats.map(\.json))),
            ("allocations_per_request", AllocationCount.json(allocations)),
            ("rate_over_floor", runs.ratio(\.rate).json), ("cpu_over_floor", processorRatio.json),
        ])
    }
}
