import CFloor
import CommandKit
import Glibc
import Leat
import LeatReactor

/// The roles of the floor. What runs here is C, in a process that has no loop and no task; Swift only hands the order over
/// and prints what came of it.
enum FloorRole {
    struct Failure: Error, CustomStringConvertible {
        let description: String

        init(_ reason: UnsafePointer<CChar>?) {
            description = "the floor failed: \(reason.map { String(cString: $0) } ?? "for no reason it knows")"
        }
    }

    static func client(_ options: LoadOptions) throws {
        var latencies = [UInt32](repeating: 0, count: options.details ? options.requests : 0)
        var client = floor_client()
        client.requests = options.requests
        client.connections = Int32(options.connections)
        client.pipelined = Int32(options.pipelined)
        client.fields = Int32(options.fields)
        if options.pauses { client.pause = { _ in FloorRole.awaitWord(saying: "pause=1") } }
        let stopwatch = Stopwatch()
        let result = withTarget(host: options.url.host, port: options.url.port, path: options.url.path) { target in
            latencies.withUnsafeMutableBufferPointer { buffer in
                client.target = target
                client.latencies = options.details ? buffer.baseAddress : nil
                return floor_client_run(&client)
            }
        }
        var outcome = ClientOutcome(stopwatch, SystemCallCounts(client.calls))
        guard result == 0 else { throw Failure(client.failure) }
        outcome.requests = client.answered
        outcome.bodyBytes = Int(client.body_bytes)
        outcome.latencies = latencies
        outcome.report(details: options.details)
    }

    static func server(port: UInt16) throws {
        var port = port
        var server = floor_server()
        server.listener = floor_listen(&port)
        guard server.listener >= 0 else { throw Failure(strerror(errno)) }
        server.lifeline = STDIN_FILENO
        Terminal.say("listening port=\(port) url=http://127.0.0.1:\(port)/")
        guard floor_server_run(&server) == 0 else { throw Failure(server.failure) }
        var fields = Fields()
        fields.add("requests", server.requests)
        fields.add(SystemCallCounts(server.calls))
        fields.addAllocations()
        fields.addProcessStatus()
        Terminal.say(fields.line)
    }

    /// Uses one connection, waits for a word, opens and uses the idle ones, and waits for a word again. If requests are small,
    /// it also measures the latency of one connection, alone and among the idle.
    static func holder(_ options: HolderOptions) throws {
        try withUse(options.use, port: options.port) { use in
            try withUse(.get, port: options.port) { get in
                func reportLatency() throws {
                    guard options.use == .get else { return }
                    let latency = try latencies(of: get.target, requests: options.requests)
                    Terminal.say("p50_us=\(latency.microseconds(0.5)) p99_us=\(latency.microseconds(0.99))")
                }
                floor_hold_close(1, try open(1, use))
                try reportLatency()
                awaitWord(saying: "warm=1")
                let sockets = try open(options.connections, use)
                awaitWord(saying: "held=\(sockets.count)")
                try reportLatency()
                let alive = floor_hold_ask(get, Int32(sockets.count), sockets)
                floor_hold_close(Int32(sockets.count), sockets)
                Terminal.say("alive=\(alive)")
            }
        }
    }

    /// Opens connections and uses each.
    private static func open(_ count: Int, _ use: floor_use) throws -> [Int32] {
        var sockets = [Int32](repeating: -1, count: count)
        let held = Int(floor_hold(use, Int32(count), &sockets))
        guard held == count else {
            let reason = String(cString: strerror(errno))
            floor_hold_close(Int32(held), sockets)
            printToStandardError("connection \(held + 1) failed: \(reason)")
            throw Failure("not all connections could be opened")
        }
        return sockets
    }

    /// Lets the parent look at the server, until it says that it has.
    private static func awaitWord(saying line: String) {
        Terminal.say(line)
        _ = readLine()
    }

    /// The latencies of requests one after another on one connection, after a few that warm it up.
    private static func latencies(of target: floor_target, requests: Int) throws -> Percentiles {
        let warmUp = 500
        var latencies = [UInt32](repeating: 0, count: warmUp + requests)
        var client = floor_client()
        client.target = target
        client.requests = latencies.count
        client.connections = 1
        client.pipelined = 1
        client.fields = 2
        let result = latencies.withUnsafeMutableBufferPointer { buffer in
            client.latencies = buffer.baseAddress
            return floor_client_run(&client)
        }
        guard result == 0 else { throw Failure(client.failure) }
        return Percentiles(Array(latencies.dropFirst(warmUp)))
    }

    /// Has C see a use.
    static func withUse<R>(_ use: IdleUse, port: UInt16, _ body: (floor_use) throws -> R) rethrows -> R {
        try withTarget(host: "127.0.0.1", port: port, path: use.path) { target in
            try body(floor_use(target: target, upload: use.uploadBytes, answer: use.answerBytes))
        }
    }

    private static func withTarget<R>(
        host: String,
        port: UInt16,
        path: String,
        _ body: (floor_target) throws -> R
    ) rethrows -> R {
        try host.withCString { ip in
            try path.withCString { path in try body(floor_target(ip: ip, port: port, path: path)) }
        }
    }
}
