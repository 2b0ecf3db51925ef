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

    /// Uses one connection alone, then opens the idle ones, waits for a word, and uses one connection among them.
    static func holder(_ options: HolderOptions) throws {
        var sockets = [Int32](repeating: -1, count: options.connections)
        try withTarget(host: "127.0.0.1", port: options.port, path: "/") { target in
            let alone = try latencies(of: target, requests: options.requests)
            Terminal.say("p50_us=\(alone.microseconds(0.5)) p99_us=\(alone.microseconds(0.99))")
            let held = floor_hold(target, Int32(sockets.count), &sockets)
            guard Int(held) == sockets.count else {
                printToStandardError("connection \(held + 1) failed: \(String(cString: strerror(errno)))")
                throw Failure("not all connections could be opened")
            }
            Terminal.say("held=\(held)")
            // The parent looks at the server's memory now.
            _ = readLine()
            let among = try latencies(of: target, requests: options.requests)
            let alive = floor_hold_ask(target, held, sockets)
            floor_hold_close(held, sockets)
            Terminal.say("p50_us=\(among.microseconds(0.5)) p99_us=\(among.microseconds(0.99)) alive=\(alive)")
        }
    }

    /// The latencies of requests one after another on one connection, after a few that warm it up.
    private static func latencies(of target: floor_target, requests: Int) throws -> Percentiles {
        let warmUp = 500
        var latencies = [UInt32](repeating: 0, count: warmUp + requests)
        var client = floor_client()
        client.target = target
        client.requests = latencies.count
        client.connections = 1
        let result = latencies.withUnsafeMutableBufferPointer { buffer in
            client.latencies = buffer.baseAddress
            return floor_client_run(&client)
        }
        guard result == 0 else { throw Failure(client.failure) }
        return Percentiles(Array(latencies.dropFirst(warmUp)))
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
