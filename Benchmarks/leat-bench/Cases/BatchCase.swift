import CommandKit

/// Many requests to a server that takes 50 ms for each, some at a time: what a program does that asks a slow service.
/// The server is the floor's in both cases, so only the client differs. The ideal is what the delays alone would take.
struct BatchCase {
    struct Step {
        var requests: Int
        var concurrency: Int
        var rounds: Int

        var idealSeconds: Double {
            Double((requests + concurrency - 1) / concurrency) * Double(delayMilliseconds) / 1_000
        }
    }

    static let delayMilliseconds = 50
    private(set) var results: [(step: Step, runs: Interleaved<ClientReport>)] = []

    init(_ stage: Stage, _ options: CompareOptions) throws {
        for step in Self.steps(options) {
            Terminal.progress("batch: \(step.requests) requests, \(step.concurrency) at a time …")
            let url = stage.floor.delayed(milliseconds: Self.delayMilliseconds)
            let runs = try Interleaved(rounds: step.rounds) {
                try stage.run(["floor-client"], url, requests: step.requests, connections: step.concurrency)
            } leat: {
                try stage.run(["batch"], url, requests: step.requests, connections: step.concurrency)
            }
            results.append((step, runs))
        }
    }

    /// One after another is scaled down: a thousand would take 50 s, and show the same.
    private static func steps(_ options: CompareOptions) -> [Step] {
        if options.quick {
            return [(4, 1), (50, 10), (300, 100), (1_000, 1_000)].map {
                Step(requests: $0.0, concurrency: $0.1, rounds: 1)
            }
        }
        return [
            Step(requests: 40, concurrency: 1, rounds: 1),
            Step(requests: 1_000, concurrency: 10, rounds: 1),
            Step(requests: 1_000, concurrency: 100, rounds: options.rounds),
            Step(requests: 1_000, concurrency: 1_000, rounds: options.rounds),
        ]
    }

    /// How long the largest step took of Leat, against the ideal.
    var timesIdeal: Double {
        guard let (step, runs) = results.last(where: { $0.step.concurrency <= 100 }) else { return .nan }
        return runs.leat(\.seconds).median / step.idealSeconds
    }

    var table: Table {
        var table = Table(
            title: "Batch: requests that take \(Self.delayMilliseconds) ms each, some at a time, up to four retries",
            subtitle: "Both clients ask the floor's server. Ideal: what the delays alone would take.",
            columns: [
                "at a\ntime", "", "requests", "wall\ns", "wall\n÷ ideal", "CPU µs\nper req.", "calls\nper req.",
                "p50\nms", "p99\nms", "threads", "peak\nMiB", "retries", "wall\n÷ floor", "CPU\n÷ floor",
            ]
        )
        for (step, runs) in results {
            let wall = Format.fixed(runs.ratio(\.seconds).median, 2)
            let processor = Format.ratio(runs.ratio(\.processorMicroseconds))
            table.groups.append([
                Table.Row(cells: [Format.grouped(step.concurrency)] + cells("floor", step, runs.floor) + ["", ""]),
                Table.Row(cells: [""] + cells("Leat", step, runs.leat) + [wall, processor], style: .bold),
            ])
        }
        return table
    }

    private func cells(_ name: String, _ step: Step, _ of: ((ClientReport) -> Double) -> Spread) -> [String] {
        [
            name,
            Format.grouped(step.requests),
            Format.fixed(of(\.seconds).median, 3),
            Format.fixed(of(\.seconds).median / step.idealSeconds, 3),
            Format.short(of(\.processorMicroseconds).median),
            Format.fixed(of(\.callsPerRequest).median, 2),
            Format.fixed(of(\.p50).median / 1_000, 2),
            Format.fixed(of(\.p99).median / 1_000, 2),
            Format.fixed(of(\.threads).high, 0),
            Format.mebibytes(kibibytes: of(\.peakKiB).high),
            Format.fixed(of(\.retries).high, 0),
        ]
    }
}

extension BatchCase: JSONConvertible {
    var json: JSON {
        .array(
            results.map { step, runs in
                .object([
                    ("requests", .integer(step.requests)), ("concurrency", .integer(step.concurrency)),
                    ("ideal_seconds", .measured(step.idealSeconds)),
                    ("floor", .array(runs.floors.map(\.json))), ("leat", .array(runs.leats.map(\.json))),
                    ("wall_over_ideal", .measured(runs.leat(\.seconds).median / step.idealSeconds)),
                    ("wall_over_floor", runs.ratio(\.seconds).json),
                    ("cpu_over_floor", runs.ratio(\.processorMicroseconds).json),
                ])
            }
        )
    }
}
