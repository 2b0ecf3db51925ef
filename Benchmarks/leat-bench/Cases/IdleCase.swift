import CommandKit
import Glibc

/// Connections that are open and silent, as most connections of a server are: what each costs in memory, whatever it did before,
/// and whether they slow down one that is in use.
struct IdleCase {
    struct Latency {
        var p50: Double
        var p99: Double
    }

    struct Result {
        var bytesPerConnection: Double
        var residentKiB: Int
        /// Of the connection in use, without and with the others; measured once.
        var latency: (alone: Latency, among: Latency)?
        var alive: Int
    }

    struct Row {
        var use: IdleUse
        var floor: Result
        var leat: Result
        /// Nil if it is not installed, or cannot do this.
        var nginx: Result?
    }

    let connections: Int
    /// Whether more were asked for.
    let isLimited: Bool
    private let includesNginx: Bool
    private(set) var rows: [Row] = []

    /// The verb. Exits with status 1 if a connection was lost.
    static func run(_ options: IdleOptions) throws {
        let machine = Machine()
        let result = try IdleCase(Placement(), options)
        if options.json {
            Terminal.present(JSON.object([("machine", machine.json), ("idle", result.json)]).indentedText)
        } else {
            Terminal.present(machine.line + "\n\n" + result.table.render())
        }
        Machine.shoutIfDebug()
        guard result.rows.allSatisfy({ $0.leat.alive == result.connections }) else { exit(1) }
    }

    init(_ placement: Placement, _ options: IdleOptions) throws {
        connections = try OpenFiles.affordable(options.connections)
        isLimited = connections < options.connections
        includesNginx = options.includesNginx && NginxSite.isInstalled
        var options = options
        options.connections = connections
        for use in options.uses {
            func measure(_ name: String, _ start: () throws -> ServerProcess) throws -> Result {
                Terminal.progress("idle: \(connections) connections to \(name), after \(use.title) …")
                return try Self.measure(try start(), placement, options, use)
            }
            let floor = try measure("the floor") { try .floor(on: placement.server) }
            let leat = try measure("Leat") { try .leat(on: placement.server, hasRoutes: true) }
            var nginx: Result?
            if includesNginx, use.isKnownToNginx,
                let server = try ServerProcess.nginx(on: placement.server, connections: connections)
            {
                nginx = try measure("nginx") { server }
            }
            rows.append(Row(use: use, floor: floor, leat: leat, nginx: nginx))
        }
    }

    /// The server is a new one, for what it keeps of one case would hide what it needs for the next.
    private static func measure(
        _ server: ServerProcess,
        _ placement: Placement,
        _ options: IdleOptions,
        _ use: IdleUse
    ) throws -> Result {
        // As long as a child may live.
        let patience = Int(ChildProcess.lifetimeSeconds)
        let holder = try ChildProcess(
            [
                "holder", "--port", "\(server.port)", "-c", "\(options.connections)", "-n", "\(options.requests)",
                "--use", use.rawValue,
            ],
            on: placement.client
        )
        func latency() throws -> Latency? {
            guard use == .get else { return nil }
            let fields = try holder.fields(within: patience)
            return Latency(p50: try fields.number("p50_us"), p99: try fields.number("p99_us"))
        }
        /// The server is done with the last request, and has put away what it needed for it, very soon.
        func settledKiB() throws -> Int {
            usleep(200_000)
            return try server.residentKiB()
        }

        let alone = try latency()
        _ = try holder.fields(within: patience)
        let before = try settledKiB()
        holder.send("go on")
        _ = try holder.fields(within: patience)
        let resident = try settledKiB()
        holder.send("go on")
        let among = try latency()
        let end = try holder.finish(within: patience)
        try server.finish()
        return Result(
            bytesPerConnection: Double(resident - before) * 1024 / Double(options.connections),
            residentKiB: resident,
            latency: alone.flatMap { alone in among.map { (alone, $0) } },
            alive: Int(try end.number("alive"))
        )
    }
}

// MARK: What is printed

extension IdleCase {
    var table: Table {
        Table(
            title: "Idle: \(Format.grouped(connections)) connections held open, one in use",
            subtitle: "Memory: what the server grew by while each did this once, after one more had done so.\n"
                + "Latency: of the one in use, without and with the others."
                + (isLimited ? " The limit of open files (ulimit -n) allows no more." : ""),
            columns: [
                "each has made", "", "bytes per\nconnection", "server\nMiB", "p50 µs\nwithout", "p50 µs\nwith",
                "p99 µs\nwithout", "p99 µs\nwith", "alive\nafterwards",
            ],
            groups: rows.map { row in
                [
                    Table.Row(cells: [row.use.title] + cells("floor", row.floor)),
                    Table.Row(cells: [""] + cells("Leat", row.leat), style: .bold),
                ] + (includesNginx ? [Table.Row(cells: [""] + cells("nginx", row.nginx))] : [])
            },
            note: "Target: Leat takes at most 256 bytes, and in each case the same ± 64."
                + (includesNginx
                    ? "\n  nginx sets memory aside for its connections when it starts, which is not counted. Its 1 MiB is a file."
                    : "")
        )
    }

    private func cells(_ name: String, _ result: Result?) -> [String] {
        guard let result else { return [name] + Array(repeating: "–", count: 7) }
        let latency = result.latency.map { alone, among in
            [alone.p50, among.p50, alone.p99, among.p99].map { Format.fixed($0, 1) }
        }
        return [
            name,
            Format.fixed(result.bytesPerConnection, 0, grouped: true),
            Format.mebibytes(kibibytes: Double(result.residentKiB)),
        ] + (latency ?? ["", "", "", ""]) + [Format.grouped(result.alive)]
    }
}

extension IdleCase: JSONConvertible {
    /// `floor` and `leat` are those of the first case.
    var json: JSON {
        .object([
            ("connections", .integer(connections)), ("floor", rows[0].floor.json), ("leat", rows[0].leat.json),
            ("cases", .array(rows.map(\.json))),
        ])
    }
}

extension IdleCase.Row: JSONConvertible {
    var json: JSON {
        .object([
            ("case", .string(use.rawValue)), ("floor", floor.json), ("leat", leat.json),
            ("nginx", nginx?.json ?? .null),
        ])
    }
}

extension IdleCase.Result: JSONConvertible {
    var json: JSON {
        let latencies: [(name: String, value: JSON)] =
            latency.map { alone, among in
                [
                    ("p50_us_alone", .measured(alone.p50)), ("p50_us_among_idle", .measured(among.p50)),
                    ("p99_us_alone", .measured(alone.p99)), ("p99_us_among_idle", .measured(among.p99)),
                ]
            } ?? []
        return .object(
            [
                ("bytes_per_connection", .measured(bytesPerConnection)), ("resident_kib", .integer(residentKiB)),
            ] + latencies + [("alive", .integer(alive))]
        )
    }
}
