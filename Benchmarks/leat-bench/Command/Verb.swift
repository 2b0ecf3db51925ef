import CommandKit
import Leat

/// What the executable can be asked to do.
enum Verb {
    case help
    case compare(CompareOptions)
    case idle(IdleOptions)
    case scaling(ScalingOptions)
    case timers(TimersOptions)
    case micro(MicroWorkload)
    case load(LoadOptions)
    case serve(ServeOptions)
    // Roles that only the benchmark itself gives to its children.
    case batch(LoadOptions)
    case floorClient(LoadOptions)
    case floorServer(port: UInt16)
    case holder(HolderOptions)
    case nginx(NginxOptions)

    /// Reads the command line. The first word is the verb, unless it is an option.
    init(parsing words: [String]) throws {
        if words.contains("--help") || words.contains("-h") {
            self = .help
            return
        }
        let name = words.first.flatMap { $0.hasPrefix("-") ? nil : $0 }
        var arguments = Arguments(name == nil ? words[...] : words.dropFirst())
        switch name ?? "run" {
        case "help":
            try arguments.end()
            self = .help
        case "run": self = .compare(try CompareOptions(parsing: &arguments))
        case "idle": self = .idle(try IdleOptions(parsing: &arguments))
        case "scaling": self = .scaling(try ScalingOptions(parsing: &arguments))
        case "timers": self = .timers(try TimersOptions(parsing: &arguments))
        case "micro": self = .micro(try MicroWorkload(parsing: &arguments))
        case "load": self = .load(try LoadOptions(parsing: &arguments))
        case "serve": self = .serve(try ServeOptions(parsing: &arguments))
        case "batch": self = .batch(try LoadOptions(parsing: &arguments))
        case "floor-client": self = .floorClient(try LoadOptions(parsing: &arguments))
        case "floor-server": self = .floorServer(port: try ServeOptions(parsing: &arguments, port: 0).port)
        case "holder": self = .holder(try HolderOptions(parsing: &arguments))
        case "nginx": self = .nginx(try NginxOptions(parsing: &arguments))
        case let name: throw UsageError("there is no verb '\(name)'")
        }
    }
}

/// `leat-bench [run]`
struct CompareOptions {
    var quick = false
    var json = false
    var rounds: Int

    init(parsing arguments: inout Arguments) throws {
        var rounds: Int?
        while let word = try arguments.next() {
            switch word {
            case .option("--quick"): quick = true
            case .option("--json"): json = true
            case .option("--rounds"): rounds = try arguments.number(of: "--rounds", in: 1...100)
            default: throw UsageError(notUnderstood: word)
            }
        }
        self.rounds = rounds ?? (quick ? 1 : 3)
    }
}

/// `leat-bench idle`
struct IdleOptions {
    var connections: Int
    /// Requests on the active connection, in each of the two measurements.
    var requests: Int
    /// What connections do before they are idle: a case for each.
    var uses = IdleUse.allCases
    /// Whether nginx is measured too, if it is installed.
    var includesNginx = true
    var json = false

    /// Only the first case, without nginx.
    init(connections: Int, requests: Int) {
        self.connections = connections
        self.requests = requests
        uses = [.get]
        includesNginx = false
    }

    init(parsing arguments: inout Arguments) throws {
        var quick = false
        var connections: Int?
        while let word = try arguments.next() {
            switch word {
            case .option("--quick"): quick = true
            case .option("--json"): json = true
            case .option("-c"): connections = try arguments.number(of: "-c", in: 1...1_000_000)
            default: throw UsageError(notUnderstood: word)
            }
        }
        self.connections = connections ?? (quick ? 500 : 10_000)
        requests = quick ? 500 : 5_000
    }
}

/// `leat-bench scaling`
struct ScalingOptions {
    var quick = false
    var json = false
    var rounds: Int

    init(parsing arguments: inout Arguments) throws {
        let options = try CompareOptions(parsing: &arguments)
        (quick, json, rounds) = (options.quick, options.json, options.rounds)
    }
}

/// `leat-bench timers`
struct TimersOptions {
    var sleeps: Int
    /// Every sleep lasts between once and twice this.
    var shortest: Duration
    var json = false

    init(parsing arguments: inout Arguments) throws {
        var quick = false
        var sleeps: Int?
        while let word = try arguments.next() {
            switch word {
            case .option("--quick"): quick = true
            case .option("--json"): json = true
            case .option("-n"): sleeps = try arguments.number(of: "-n", in: 2...10_000_000)
            default: throw UsageError(notUnderstood: word)
            }
        }
        self.sleeps = sleeps ?? (quick ? 20_000 : 1_000_000)
        shortest = quick ? .milliseconds(500) : .seconds(5)
    }
}

/// `leat-bench load URL`, and the roles that are asked for the same.
struct LoadOptions {
    var url: HTTPURL
    var requests = 100_000
    var connections = 64
    /// Whether to measure latencies, and to report them, system calls, threads and memory too.
    var details = false
    /// Whether bodies are read in pieces, not collected; for `load` only.
    var streams = false
    /// How many requests go with one write, how many header fields each has, and whether to pause before the requests that
    /// count and before the end; for `floor-client` only.
    var pipelined = 1
    var fields = 2
    var pauses = false

    init(parsing arguments: inout Arguments) throws {
        var address: String?
        while let word = try arguments.next() {
            switch word {
            case .option("-n"): requests = try arguments.number(of: "-n", in: 1...1_000_000_000)
            case .option("-c"): connections = try arguments.number(of: "-c", in: 1...100_000)
            case .option("--details"): details = true
            case .option("--stream"): streams = true
            case .option("--pipelined"): pipelined = try arguments.number(of: "--pipelined", in: 1...256)
            case .option("--fields"): fields = try arguments.number(of: "--fields", in: 1...128)
            case .option("--pause"): pauses = true
            case .operand(let operand) where address == nil: address = operand
            default: throw UsageError(notUnderstood: word)
            }
        }
        guard let address else { throw UsageError("a URL is missing: http://HOST:PORT/") }
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
    /// Whether a few paths have answers of their own.
    var hasRoutes = false
    /// How many timers are set, none of which comes to fire.
    var timers = 0
    /// Whether the end of standard input ends the server.
    var endsWithInput = false

    init(parsing arguments: inout Arguments, port standard: UInt16 = 8080) throws {
        port = standard
        while let word = try arguments.next() {
            switch word {
            case .option("--port"): port = try arguments.port()
            case .option("--timers"): timers = try arguments.number(of: "--timers", in: 0...10_000_000)
            case .option("--ends-with-input"): endsWithInput = true
            case .option("--routes"): hasRoutes = true
            default: throw UsageError(notUnderstood: word)
            }
        }
    }
}

/// The role that holds idle connections and uses one.
struct HolderOptions {
    var port: UInt16 = 0
    var connections = 1
    var requests = 1
    var use = IdleUse.get

    init(parsing arguments: inout Arguments) throws {
        while let word = try arguments.next() {
            switch word {
            case .option("--port"): port = try arguments.port()
            case .option("-c"): connections = try arguments.number(of: "-c", in: 1...1_000_000)
            case .option("-n"): requests = try arguments.number(of: "-n", in: 1...10_000_000)
            case .option("--use"):
                let name = try arguments.value(of: "--use")
                guard let use = IdleUse(rawValue: name) else { throw UsageError("--use \(name) is not known") }
                self.use = use
            default: throw UsageError(notUnderstood: word)
            }
        }
    }
}

/// The role that becomes nginx.
struct NginxOptions {
    var executable = ""
    /// Where its files are.
    var directory = ""

    init(parsing arguments: inout Arguments) throws {
        while let word = try arguments.next() {
            switch word {
            case .operand(let path) where executable.isEmpty: executable = path
            case .operand(let path) where directory.isEmpty: directory = path
            default: throw UsageError(notUnderstood: word)
            }
        }
    }
}

extension Arguments {
    /// The value of `--port`.
    mutating func port() throws(UsageError) -> UInt16 {
        UInt16(try number(of: "--port", in: 0...65535))
    }

    /// Throws if a word is left.
    mutating func end() throws(UsageError) {
        if let word = try next() { throw UsageError(notUnderstood: word) }
    }
}

extension UsageError {
    /// The verb has no such option, or takes no such word.
    init(notUnderstood word: Arguments.Word) {
        switch word {
        case .option(let text), .operand(let text): self.init("'\(text)' is not understood here")
        }
    }
}
