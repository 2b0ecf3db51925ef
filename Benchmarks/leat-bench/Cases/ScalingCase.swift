import CommandKit

/// What a request costs Leat's server, and what makes it dearer. Each step is measured beside the floor's server, which gets the
/// same load from the floor's client.
struct ScalingCase {
    /// What is done to the server.
    struct Load {
        var connections = 64
        var pipelined = 1
        var fields = 2
        var timers = 0

        /// Fewer would leave some connections without work for much of the run.
        var leastRequests: Int { 4 * connections * pipelined }
    }

    /// What grows from step to step, while all else stays as it is.
    enum Dimension: String, CaseIterable {
        case connections
        case pipelined
        case fields
        case timers

        var title: String {
            switch self {
            case .connections: "busy connections"
            case .pipelined: "pipelined requests"
            case .fields: "header fields"
            case .timers: "timers set"
            }
        }

        var values: [Int] {
            switch self {
            case .connections: [1, 64, 1_000, 8_000]
            case .pipelined: [1, 4, 16, 64]
            case .fields: [1, 10, 40]
            case .timers: [0, 10_000, 100_000]
            }
        }

        func load(_ value: Int) -> Load {
            switch self {
            case .connections: Load(connections: value)
            case .pipelined: Load(pipelined: value)
            case .fields: Load(fields: value)
            case .timers: Load(timers: value)
            }
        }
    }

    struct Step {
        var dimension: Dimension
        var value: Int
        var requests: Int
        var runs: Interleaved<Run>

        var ratio: Spread { runs.ratio(\.processorMicroseconds) }
        /// What Leat adds to the floor, in microseconds, by the ratio: that is of neighbours.
        var added: Double { (ratio.median - 1) * runs.floor(\.processorMicroseconds).median }
    }

    struct Run {
        /// Of the server, for a request.
        var processorMicroseconds: Double
        /// Requests a second.
        var rate: Double
    }

    private let options: ScalingOptions
    private let placement = Placement()
    private var steps: [Step] = []
    /// Whether more connections were asked for than may be open.
    private var isLimited = false

    /// The verb.
    static func run(_ options: ScalingOptions) throws {
        let begun = monotonicNanoseconds()
        let machine = Machine()
        let result = try ScalingCase(options)
        let seconds = Double(monotonicNanoseconds() - begun) / 1e9
        if options.json {
            let json = JSON.object([
                ("machine", machine.json), ("placement", .string(result.placement.description)),
                ("quick", .bool(options.quick)), ("scaling", result.json), ("seconds", .measured(seconds)),
            ])
            Terminal.present(json.indentedText)
        } else {
            Terminal.present("\(machine.line) · \(result.placement.description)\n\n\(result.table.render())")
            Terminal.say("Took \(Format.fixed(seconds, 0)) s.")
        }
        Machine.shoutIfDebug()
    }

    private init(_ options: ScalingOptions) throws {
        self.options = options
        for dimension in Dimension.allCases {
            for value in dimension.values { try add(dimension, value) }
        }
    }

    private mutating func add(_ dimension: Dimension, _ wanted: Int) throws {
        var value = wanted
        if dimension == .connections {
            value = try OpenFiles.affordable(wanted)
            if value < wanted { isLimited = true }
        }
        let load = dimension.load(value)
        let floor = try ServerProcess.floor(on: placement.server)
        let leat = try ServerProcess.leat(on: placement.server, timers: load.timers)
        let requests = try calibrate(floor, load)
        func run(_ server: ServerProcess, _ name: String) throws -> Run {
            Terminal.progress("scaling: \(dimension.title), \(Format.grouped(value)): \(name) …")
            return try measure(server, load, requests: requests)
        }
        let runs = try Interleaved(rounds: options.rounds) {
            try run(floor, "floor")
        } leat: {
            try run(leat, "Leat")
        }
        try floor.finish()
        try leat.finish()
        steps.append(Step(dimension: dimension, value: value, requests: requests, runs: runs))
    }

    /// How many requests make a run of about the wanted length.
    private func calibrate(_ floor: ServerProcess, _ load: Load) throws -> Int {
        let sample = max(options.quick ? 1_000 : 10_000, load.leastRequests)
        let rate = try measure(floor, load, requests: sample).rate
        let wanted = rate * (options.quick ? 0.1 : 0.8)
        return max(load.leastRequests, 1_000, Int(wanted / 1_000) * 1_000)
    }

    /// The processor time of the server while all connections are open and each has been used before: neither what it takes to
    /// connect nor what it takes to close is in it.
    private func measure(_ server: ServerProcess, _ load: Load, requests: Int) throws -> Run {
        let patience = 60
        let client = try ChildProcess(
            [
                "floor-client", server.url, "-n", "\(requests)", "-c", "\(load.connections)",
                "--pipelined", "\(load.pipelined)", "--fields", "\(load.fields)", "--pause",
            ],
            on: placement.client
        )
        _ = try client.fields(within: patience)
        let (used, begun) = (try server.processorSeconds(), monotonicNanoseconds())
        client.send("go on")
        _ = try client.fields(within: patience)
        let seconds = Double(monotonicNanoseconds() - begun) / 1e9
        let processor = try server.processorSeconds() - used
        _ = try client.finish(within: patience)
        return Run(
            processorMicroseconds: processor / Double(requests) * 1e6,
            rate: Double(requests) / seconds
        )
    }
}

// MARK: What is printed

extension ScalingCase {
    private var table: Table {
        let usual = Load()
        var table = Table(
            title: "Scaling: what a request costs the server, and what makes it dearer",
            subtitle: "GETs of 13 bytes over \(usual.connections) connections, one at a time on each, \(usual.fields) "
                + "header fields, no timers, unless the row says otherwise.\n\(options.rounds) × Leat, between runs of the "
                + "floor; processor time of the server while all connections are open."
                + (isLimited ? " The limit of open files (ulimit -n) allows no more connections." : ""),
            columns: ["", "", "requests\na run", "floor\nCPU µs", "Leat\nCPU µs", "Leat\nadds µs", "CPU\n÷ floor"],
            note: "Target: at most 1.2 × the floor at any number of connections. The floor has no timers."
        )
        for dimension in Dimension.allCases {
            let steps = steps.filter { $0.dimension == dimension }
            table.groups.append(
                steps.enumerated().map { index, step in
                    Table.Row(cells: [
                        index == 0 ? dimension.title : "", Format.grouped(step.value), Format.grouped(step.requests),
                        Format.fixed(step.runs.floor(\.processorMicroseconds).median, 2),
                        Format.fixed(step.runs.leat(\.processorMicroseconds).median, 2),
                        Format.fixed(step.added, 2), Format.ratio(step.ratio),
                    ])
                }
            )
        }
        return table
    }
}

extension ScalingCase: JSONConvertible {
    var json: JSON { .array(steps.map(\.json)) }
}

extension ScalingCase.Step: JSONConvertible {
    var json: JSON {
        .object([
            ("varied", .string(dimension.rawValue)), ("value", .integer(value)), ("requests", .integer(requests)),
            ("floor_cpu_us", runs.floor(\.processorMicroseconds).json),
            ("leat_cpu_us", runs.leat(\.processorMicroseconds).json),
            ("added_cpu_us", .measured(added)), ("cpu_over_floor", ratio.json),
        ])
    }
}
