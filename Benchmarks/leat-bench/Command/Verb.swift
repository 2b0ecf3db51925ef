import Leat

/// What the executable can be asked to do.
enum Verb {
    case help
    case compare(CompareOptions)
    case idle(IdleOptions)
    case timers(TimersOptions)
    case micro(MicroWorkload)
    case load(LoadOptions)
    case serve(ServeOptions)
    // Roles that only the benchmark itself gives to its children.
    case batch(LoadOptions)
    case floorClient(LoadOptions)
    case floorServer(port: UInt16)
    case holder(HolderOptions)

    init(parsing arguments: inout Arguments) throws {
        if arguments.flag("--help") || arguments.flag("-h") {
            self = .help
            return
        }
        let name = arguments.verb() ?? "run"
        switch name {
        case "help": self = .help
        case "run": self = .compare(try CompareOptions(parsing: &arguments))
        case "idle": self = .idle(try IdleOptions(parsing: &arguments))
        case "timers": self = .timers(try TimersOptions(parsing: &arguments))
        case "micro": self = .micro(try MicroWorkload(parsing: &arguments))
        case "load": self = .load(try LoadOptions(parsing: &arguments))
        case "serve": self = .serve(try ServeOptions(parsing: &arguments))
        case "batch": self = .batch(try LoadOptions(parsing: &arguments))
        case "floor-client": self = .floorClient(try LoadOptions(parsing: &arguments))
        case "floor-server": self = .floorServer(port: try arguments.port(default: 0))
        case "holder": self = .holder(try HolderOptions(parsing: &arguments))
        default: throw UsageError("there is no verb '\(name)'")
        }
        try arguments.finish()
    }
}

/// `leat-bench [run]`
struct CompareOptions {
    var quick: Bool
    var json: Bool
    var rounds: Int

    init(parsing arguments: inout Arguments) throws {
        quick = arguments.flag("--quick")
        json = arguments.flag("--json")
        rounds = try arguments.number("--rounds", default: quick ? 1 : 3, in: 1...100)
    }
}

/// `leat-bench idle`
struct IdleOptions {
    var connections: Int
    /// Requests on the active connection, in each of the two measurements.
    var requests: Int
    var json: Bool

    init(connections: Int, requests: Int, json: Bool) {
        self.connections = connections
        self.requests = requests
        self.json = json
    }

    init(parsing arguments: inout Arguments) throws {
        let quick = arguments.flag("--quick")
        connections = try arguments.number("-c", default: quick ? 500 : 10_000, in: 1...1_000_000)
        requests = quick ? 500 : 5_000
        json = arguments.flag("--json")
    }
}

/// `leat-bench timers`
struct TimersOptions {
    var sleeps: Int
    /// Every sleep lasts between once and twice this.
    var shortest: Duration
    var json: Bool

    init(parsing arguments: inout Arguments) throws {
        let quick = arguments.flag("--quick")
        sleeps = try arguments.number("-n", default: quick ? 20_000 : 1_000_000, in: 2...10_000_000)
        shortest = quick ? .milliseconds(500) : .seconds(5)
        json = arguments.flag("--json")
    }
}

/// `leat-bench load URL`, and the roles that are asked for the same.
struct LoadOptions {
    var url: HTTPURL
    var requests: Int
    var connections: Int
    /// Whether to measure latencies, and to report them, system calls, threads and memory too.
    var details: Bool
    /// Whether bodies are read in pieces, not collected; for `load` only.
    var streams: Bool

    init(parsing arguments: inout Arguments) throws {
        requests = try arguments.number("-n", default: 100_000, in: 1...1_000_000_000)
        connections = try arguments.number("-c", default: 64, in: 1...100_000)
        details = arguments.flag("--details")
        streams = arguments.flag("--stream")
        guard let address = arguments.positional() else { throw UsageError("a URL is missing: http://HOST:PORT/") }
        do throws(HTTPURL.ParseError) {
            url = try HTTPURL(parsing: address)
        } catch {
            throw UsageError("\(error)")
        }
    }
}

/// `leat-bench serve`
struct ServeOptions {
    var port: UInt16
    /// Whether the end of standard input ends the server.
    var endsWithInput: Bool

    init(parsing arguments: inout Arguments) throws {
        port = try arguments.port(default: 8080)
        endsWithInput = arguments.flag("--ends-with-input")
    }
}

/// The role that holds idle connections and uses one.
struct HolderOptions {
    var port: UInt16
    var connections: Int
    var requests: Int

    init(parsing arguments: inout Arguments) throws {
        port = try arguments.port(default: 0)
        connections = try arguments.number("-c", default: 1, in: 1...1_000_000)
        requests = try arguments.number("-n", default: 1, in: 1...10_000_000)
    }
}

extension Arguments {
    mutating func port(default standard: Int) throws -> UInt16 {
        UInt16(try number("--port", default: standard, in: 0...65535))
    }
}
