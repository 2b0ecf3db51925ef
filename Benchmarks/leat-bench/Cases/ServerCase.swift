import CommandKit

/// Leat's server against the floor's, both asked by the floor's client. The processor time is the server's.
struct ServerCase {
    struct Run {
        var client: ClientReport
        var processorMicroseconds: Double
    }

    /// What a server said about its whole life, when it ended.
    struct Life {
        var callsPerRequest: Double
        var threads: Double
        var peakKiB: Double

        init(_ fields: Fields) throws {
            callsPerRequest = try fields.totalCalls() / fields.number("requests")
            threads = try fields.number("threads")
            peakKiB = try fields.number("peak_kib")
        }
    }

    let requests: Int
    let runs: Interleaved<Run>
    let floorLife: Life
    let leatLife: Life
    let allocations: (floor: Double, leat: Double)

    /// Ends Leat's server of the stage.
    init(_ stage: Stage, requests: Int, rounds: Int) throws {
        self.requests = requests
        // The floor's server has a life behind it; what it says at the end is to be about this case alone.
        let floor = try stage.startFloor()
        func ask(_ server: ServerProcess, _ requests: Int) throws -> ClientReport {
            try stage.run(["floor-client"], server.url, requests: requests, connections: Throughput.connections)
        }
        func run(_ server: ServerProcess, _ name: String) throws -> Run {
            Terminal.progress("server throughput: \(name) …")
            let before = try server.processorSeconds()
            let client = try ask(server, requests)
            let used = try server.processorSeconds() - before
            return Run(client: client, processorMicroseconds: used / Double(requests) * 1e6)
        }
        runs = try Interleaved(rounds: rounds) {
            try run(floor, "floor")
        } leat: {
            try run(stage.leat, "Leat")
        }
        floorLife = try Life(floor.finish())
        leatLife = try Life(stage.leat.finish())
        Terminal.progress("server allocations …")
        func count(_ start: () throws -> ServerProcess) throws -> Double {
            try AllocationCount.perRequest { requests in
                let server = try start()
                _ = try ask(server, requests)
                return try server.finish().allocations
            }
        }
        allocations = (try count(stage.startFloor), try count(stage.startLeat))
    }

    var processorRatio: Spread { runs.ratio(\.processorMicroseconds) }

    var table: Table {
        ThroughputTable(
            title: "Server: keep-alive GETs of 13 bytes over \(Throughput.connections) connections",
            subtitle:
                "\(Format.grouped(requests)) requests a run, \(runs.leats.count) × Leat, by the floor's "
                + "client; processor time of the server.",
            note:
                "Leat uses the fields of a request again, unless the handler keeps them.",
            floor: side(runs.floor, floorLife, allocations.floor),
            leat: side(runs.leat, leatLife, allocations.leat),
            rateOverFloor: runs.ratio(\.client.rate),
            processorOverFloor: processorRatio
        ).table
    }

    private func side(
        _ of: ((Run) -> Double) -> Spread,
        _ life: Life,
        _ allocations: Double
    ) -> ThroughputTable.Side {
        ThroughputTable.Side(
            rate: of(\.client.rate).median,
            processorMicroseconds: of(\.processorMicroseconds).median,
            callsPerRequest: life.callsPerRequest,
            allocationsPerRequest: allocations,
            p50: of(\.client.p50).median,
            p99: of(\.client.p99).median,
            threads: life.threads,
            peakKiB: life.peakKiB
        )
    }
}

extension ServerCase: JSONConvertible {
    var json: JSON {
        .object([
            ("connections", .integer(Throughput.connections)), ("requests", .integer(requests)),
            ("floor", .array(runs.floors.map(\.json))), ("leat", .array(runs.leats.map(\.json))),
            ("floor_life", floorLife.json), ("leat_life", leatLife.json),
            ("allocations_per_request", AllocationCount.json(allocations)),
            ("rate_over_floor", runs.ratio(\.client.rate).json), ("cpu_over_floor", processorRatio.json),
        ])
    }
}

extension ServerCase.Run: JSONConvertible {
    var json: JSON {
        .object([
            ("requests_per_second", .measured(client.rate)), ("cpu_us_per_request", .measured(processorMicroseconds)),
            ("p50_us", .measured(client.p50)), ("p99_us", .measured(client.p99)),
        ])
    }
}

extension ServerCase.Life: JSONConvertible {
    var json: JSON {
        .object([
            ("system_calls_per_request", .measured(callsPerRequest)), ("threads", .measured(threads)),
            ("peak_kib", .measured(peakKiB)),
        ])
    }
}
