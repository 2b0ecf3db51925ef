import CommandKit

/// The main job: everything that can be compared with the floor in less than a minute.
struct Comparison {
    let options: CompareOptions

    func run() throws {
        let begun = monotonicNanoseconds()
        let machine = Machine()
        let stage = try Stage()
        if !options.json {
            Terminal.present(
                "\(Terminal.styled("leat-bench", .bold))  \(machine.line) · \(stage.placement.description)\n"
            )
        }

        let requests = try Throughput.calibrate(stage, quick: options.quick)
        let batch = try BatchCase(stage, options)
        show(batch.table)
        let client = try ClientCase(stage, requests: requests, rounds: options.rounds)
        show(client.table)
        let server = try ServerCase(stage, requests: requests, rounds: options.rounds)
        show(server.table)
        let bulk = try BulkCase(stage, options)
        show(bulk.table)
        let idle = try IdleCase(stage.placement, idleOptions)
        show(idle.table)

        let seconds = Double(monotonicNanoseconds() - begun) / 1e9
        if options.json {
            let result = JSON.object([
                ("machine", machine.json), ("placement", .string(stage.placement.description)),
                ("quick", .bool(options.quick)), ("batch", batch.json), ("client", client.json),
                ("server", server.json), ("bulk", bulk.json),
                ("idle", idle.json), ("seconds", .measured(seconds)),
            ])
            Terminal.present(result.indentedText)
        } else {
            summarise(batch, client, server, bulk, seconds)
        }
        Machine.shoutIfDebug()
    }

    /// A taste of it; the verb takes its time.
    private var idleOptions: IdleOptions {
        IdleOptions(connections: options.quick ? 200 : 2_000, requests: options.quick ? 200 : 2_000)
    }

    private func show(_ table: Table) {
        if !options.json { Terminal.present(table.render()) }
    }

    private func summarise(
        _ batch: BatchCase,
        _ client: ClientCase,
        _ server: ServerCase,
        _ bulk: BulkCase,
        _ seconds: Double
    ) {
        let clientRatio = Format.fixed(client.processorRatio.median, 2)
        let serverRatio = Format.fixed(server.processorRatio.median, 2)
        let bulkRatio = Format.fixed(bulk.processorRatio.median, 2)
        Terminal.present(
            Terminal.styled(
                "Leat costs \(clientRatio) × the floor as a client, \(serverRatio) × as a server, and \(bulkRatio) × for "
                    + "long bodies.\nIts batch of slow requests takes \(Format.fixed(batch.timesIdeal, 3)) × the ideal.",
                .bold
            )
        )
        let restlessness = max(
            Self.restlessness(client.runs.floor(\.processorMicroseconds)),
            Self.restlessness(server.runs.floor(\.processorMicroseconds))
        )
        if restlessness > 0.25 {
            let percent = Format.fixed(restlessness * 100, 0)
            Terminal.present(
                "The machine was restless: the floor itself varied by \(percent) %. Trust the ratios only."
            )
        }
        Terminal.present("Peak memory holds this executable and the Swift runtime in both; the floor uses neither.")
        Terminal.present(
            "Took \(Format.fixed(seconds, 0)) s. More: leat-bench idle, scaling or timers; leat-bench --help."
        )
    }

    /// By how much of its median a figure varied that should not have.
    private static func restlessness(_ spread: Spread) -> Double { (spread.high - spread.low) / spread.median }
}
