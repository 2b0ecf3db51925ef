/// Keep-alive GETs over 64 connections, as fast as they go.
enum Throughput {
    static let connections = 64

    /// How many requests make a run of about the wanted length, by a first run of the floor that also warms things up.
    static func calibrate(_ stage: Stage, quick: Bool) throws -> Int {
        Terminal.progress("warming up …")
        let sample = quick ? 2_000 : 20_000
        let run = try stage.run("floor-client", stage.floor.url, requests: sample, connections: connections)
        let wanted = run.rate * (quick ? 0.05 : 0.8)
        return max(1_000, Int(wanted / 1_000) * 1_000)
    }
}

/// Leat's client against the floor's, both asking the floor's server. The processor time is the client's.
struct ClientCase {
    let requests: Int
    let runs: Interleaved<ClientReport>

    init(_ stage: Stage, requests: Int, rounds: Int) throws {
        self.requests = requests
        func run(_ role: String) throws -> ClientReport {
            Terminal.progress("client throughput: \(role) …")
            return try stage.run(role, stage.floor.url, requests: requests, connections: Throughput.connections)
        }
        runs = try Interleaved(rounds: rounds) {
            try run("floor-client")
        } leat: {
            try run("load")
        }
    }

    var processorRatio: Spread { runs.ratio(\.processorMicroseconds) }

    var table: Table {
        Table(
            title: "Client: keep-alive GETs of 13 bytes over \(Throughput.connections) connections",
            subtitle:
                "\(Format.grouped(requests)) requests a run, \(runs.leats.count) × Leat, to the floor's "
                + "server; processor time of the client.",
            columns: [
                "", "requests\nper s", "CPU µs\nper req.", "calls\nper req.", "p50\nµs", "p99\nµs", "threads",
                "peak\nMiB", "rate\n÷ floor", "CPU\n÷ floor",
            ],
            groups: [
                [
                    Table.Row(cells: cells("floor", runs.floor) + ["", ""]),
                    Table.Row(
                        cells: cells("Leat", runs.leat)
                            + [Format.ratio(runs.ratio(\.rate)), Format.ratio(processorRatio)],
                        style: .bold
                    ),
                ]
            ]
        )
    }

    private func cells(_ name: String, _ of: ((ClientReport) -> Double) -> Spread) -> [String] {
        [
            name,
            Format.fixed(of(\.rate).median, 0, grouped: true),
            Format.fixed(of(\.processorMicroseconds).median, 2),
            Format.fixed(of(\.callsPerRequest).median, 2),
            Format.fixed(of(\.p50).median, 0, grouped: true),
            Format.fixed(of(\.p99).median, 0, grouped: true),
            Format.fixed(of(\.threads).high, 0),
            Format.mebibytes(kibibytes: of(\.peakKiB).high),
        ]
    }
}

extension ClientCase: JSONConvertible {
    var json: JSON {
        .object([
            ("connections", .integer(Throughput.connections)), ("requests", .integer(requests)),
            ("floor", .array(runs.floors.map(\.json))), ("leat", .array(runs.leats.map(\.json))),
            ("rate_over_floor", runs.ratio(\.rate).json), ("cpu_over_floor", processorRatio.json),
        ])
    }
}
