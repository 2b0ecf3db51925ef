import CommandKit
import Glibc

/// Connections that are open and silent, as most connections of a server are: what each costs in memory, and whether
/// they slow down one that is in use.
struct IdleCase {
    struct Result {
        var bytesPerConnection: Double
        var residentKiB: Int
        var alone: (p50: Double, p99: Double)
        var among: (p50: Double, p99: Double)
        var alive: Int
    }

    let connections: Int
    /// Whether more were asked for.
    let isLimited: Bool
    let floor: Result
    let leat: Result

    /// The verb. Exits with status 1 if a connection was lost.
    static func run(_ options: IdleOptions) throws {
        let machine = Machine()
        let result = try IdleCase(Placement(), options)
        if options.json {
            Terminal.present(JSON.object([("machine", machine.json), ("idle", result.json)]).indentedText)
        } else {
            Terminal.present(machine.line + "\n\n" + result.table.render())
        }
        guard result.leat.alive == result.connections else { exit(1) }
    }

    init(_ placement: Placement, _ options: IdleOptions) throws {
        connections = try Self.affordable(options.connections)
        isLimited = connections < options.connections
        var options = options
        options.connections = connections
        Terminal.progress("idle: \(connections) connections to the floor …")
        floor = try Self.measure(try .floor(on: placement.server), placement, options)
        Terminal.progress("idle: \(connections) connections to Leat …")
        leat = try Self.measure(try .leat(on: placement.server), placement, options)
    }

    /// Both sides need a descriptor for each connection, and a few to live on. Raises the limit, which children inherit.
    private static func affordable(_ wanted: Int) throws -> Int {
        let spare = 64
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = min(limit.rlim_max, max(limit.rlim_cur, rlim_t(wanted + spare)))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let room = Int(clamping: limit.rlim_cur) - spare
        guard room > 0 else { throw ChildProcess.Failure("the limit of open files (ulimit -n) is too low") }
        return min(wanted, room)
    }

    private static func measure(
        _ server: ServerProcess,
        _ placement: Placement,
        _ options: IdleOptions
    ) throws -> Result {
        let arguments = ["--port", "\(server.port)", "-c", "\(options.connections)", "-n", "\(options.requests)"]
        let holder = try ChildProcess(["holder"] + arguments, on: placement.client)
        let alone = try holder.fields(within: 60)
        let before = try server.residentKiB()
        _ = try holder.fields(within: 60)
        // The server is done with the last request, and has put away what it needed for it, very soon.
        usleep(200_000)
        let resident = try server.residentKiB()
        holder.send("go on")
        let among = try holder.finish(within: 60)
        _ = try server.finish()
        return Result(
            bytesPerConnection: Double(resident - before) * 1024 / Double(options.connections),
            residentKiB: resident,
            alone: (try alone.number("p50_us"), try alone.number("p99_us")),
            among: (try among.number("p50_us"), try among.number("p99_us")),
            alive: Int(try among.number("alive"))
        )
    }

    var table: Table {
        Table(
            title: "Idle: \(Format.grouped(connections)) connections held open, one in use",
            subtitle: "Each has made a request. Memory: what the server grew by. Latency: of the one in use, "
                + "without and with the others."
                + (isLimited ? " The limit of open files (ulimit -n) allows no more." : ""),
            columns: [
                "", "bytes per\nconnection", "server\nMiB", "p50 µs\nwithout", "p50 µs\nwith", "p99 µs\nwithout",
                "p99 µs\nwith", "alive\nafterwards",
            ],
            groups: [
                [
                    Table.Row(cells: cells("floor", floor)),
                    Table.Row(cells: cells("Leat", leat), style: .bold),
                ]
            ]
        )
    }

    private func cells(_ name: String, _ result: Result) -> [String] {
        [
            name,
            Format.fixed(result.bytesPerConnection, 0, grouped: true),
            Format.mebibytes(kibibytes: Double(result.residentKiB)),
            Format.fixed(result.alone.p50, 1), Format.fixed(result.among.p50, 1),
            Format.fixed(result.alone.p99, 1), Format.fixed(result.among.p99, 1),
            Format.grouped(result.alive),
        ]
    }
}

extension IdleCase: JSONConvertible {
    var json: JSON {
        .object([("connections", .integer(connections)), ("floor", floor.json), ("leat", leat.json)])
    }
}

extension IdleCase.Result: JSONConvertible {
    var json: JSON {
        .object([
            ("bytes_per_connection", .measured(bytesPerConnection)), ("resident_kib", .integer(residentKiB)),
            ("p50_us_alone", .measured(alone.p50)), ("p50_us_among_idle", .measured(among.p50)),
            ("p99_us_alone", .measured(alone.p99)), ("p99_us_among_idle", .measured(among.p99)),
            ("alive", .integer(alive)),
        ])
    }
}
