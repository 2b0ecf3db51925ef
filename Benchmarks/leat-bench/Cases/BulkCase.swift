import CommandKit

/// Bodies of 1 MiB over a few connections: what the bytes cost, where requests hardly count. Leat's client against the
/// floor's, which reads into one buffer and keeps nothing, both asking the floor's server.
struct BulkCase {
    private static let bodyBytes = 1 << 20
    private static let connections = 4

    /// Leat's client in one of the two ways to take a body.
    struct Contender {
        var name: String
        var runs: Interleaved<ClientReport>
        var allocations: Double
    }

    private let requests: Int
    private let collected: Contender
    private let streamed: Contender
    private let floorAllocations: Double

    init(_ stage: Stage, _ options: CompareOptions) throws {
        let requests = options.quick ? 128 : 1_024
        let url = stage.floor.bytes(Self.bodyBytes)
        func run(_ client: [String], requests: Int) throws -> ClientReport {
            try stage.run(client, url, requests: requests, connections: Self.connections)
        }
        func allocations(_ client: [String]) throws -> Double {
            try AllocationCount.perRequest((32, 160)) { try run(client, requests: $0).allocations }
        }
        func compete(_ name: String, _ client: [String]) throws -> Contender {
            Terminal.progress("bulk: \(name) …")
            let runs = try Interleaved(rounds: options.rounds) {
                try run(["floor-client"], requests: requests)
            } leat: {
                try run(client, requests: requests)
            }
            return Contender(name: name, runs: runs, allocations: try allocations(client))
        }
        self.requests = requests
        collected = try compete("Leat, collected", ["load"])
        streamed = try compete("Leat, in pieces", ["load", "--stream"])
        floorAllocations = try allocations(["floor-client"])
    }

    /// Of the client that collects, as most programs do.
    var processorRatio: Spread { collected.runs.ratio(\.processorMillisecondsPerGiB) }

    var table: Table {
        var table = Table(
            title: "Bulk: bodies of 1 MiB over \(Self.connections) connections",
            subtitle: "\(Format.grouped(requests)) MiB a run, \(collected.runs.leats.count) × each of Leat's, from the "
                + "floor's server; processor time of the client.",
            columns: [
                "", "GiB\nper s", "CPU ms\nper GiB", "calls\nper body", "allocs\nper body", "peak\nMiB",
                "rate\n÷ floor", "CPU\n÷ floor",
            ],
            note:
                "The floor keeps nothing. Leat allocates what the caller keeps, the body or each piece, and what any "
                + "request does."
        )
        let floors = collected.runs.floors + streamed.runs.floors
        table.groups = [
            [Table.Row(cells: cells("floor", floors, floorAllocations) + ["", ""])]
                + [collected, streamed].map { contender in
                    let rate = Format.ratio(contender.runs.ratio(\.gibibytesPerSecond))
                    let processor = Format.ratio(contender.runs.ratio(\.processorMillisecondsPerGiB))
                    let cells = cells(contender.name, contender.runs.leats, contender.allocations)
                    return Table.Row(cells: cells + [rate, processor], style: .bold)
                }
        ]
        return table
    }

    private func cells(_ name: String, _ reports: [ClientReport], _ allocations: Double) -> [String] {
        func of(_ figure: (ClientReport) -> Double) -> Spread { Spread(reports.map(figure)) }
        return [
            name,
            Format.fixed(of(\.gibibytesPerSecond).median, 2),
            Format.short(of(\.processorMillisecondsPerGiB).median),
            Format.fixed(of(\.callsPerRequest).median, 1),
            Format.fixed(allocations, 1),
            Format.mebibytes(kibibytes: of(\.peakKiB).high),
        ]
    }
}

extension ClientReport {
    fileprivate var gibibytes: Double { bodyBytes / Double(1 << 30) }
    fileprivate var gibibytesPerSecond: Double { gibibytes / seconds }
    fileprivate var processorMillisecondsPerGiB: Double { processorSeconds * 1_000 / gibibytes }
}

extension BulkCase: JSONConvertible {
    var json: JSON {
        .object([
            ("connections", .integer(Self.connections)), ("requests", .integer(requests)),
            ("body_bytes", .integer(Self.bodyBytes)), ("floor_allocations_per_body", .measured(floorAllocations)),
            ("collected", collected.json), ("in_pieces", streamed.json),
        ])
    }
}

extension BulkCase.Contender: JSONConvertible {
    var json: JSON {
        .object([
            ("floor", .array(runs.floors.map(\.json))), ("leat", .array(runs.leats.map(\.json))),
            ("cpu_ms_per_gib", runs.leat(\.processorMillisecondsPerGiB).json),
            ("floor_cpu_ms_per_gib", runs.floor(\.processorMillisecondsPerGiB).json),
            ("allocations_per_body", .measured(allocations)),
            ("rate_over_floor", runs.ratio(\.gibibytesPerSecond).json),
            ("cpu_over_floor", runs.ratio(\.processorMillisecondsPerGiB).json),
        ])
    }
}
