import Glibc

/// The servers that stand ready for a comparison, how to start others, and how to run clients against them.
final class Stage {
    let placement = Placement()
    let floor: ServerProcess
    let leat: ServerProcess

    init() throws {
        floor = try ServerProcess.floor(on: placement.server)
        leat = try ServerProcess.leat(on: placement.server)
    }

    func startFloor() throws -> ServerProcess { try .floor(on: placement.server) }
    func startLeat() throws -> ServerProcess { try .leat(on: placement.server) }

    /// Runs a client to its end: `floor-client`, `load` or `batch`, with further options behind that.
    func run(_ client: [String], _ url: String, requests: Int, connections: Int) throws -> ClientReport {
        let arguments = client + [url, "-n", "\(requests)", "-c", "\(connections)", "--details"]
        let child = try ChildProcess(arguments, on: placement.client)
        return try ClientReport(child.finish(within: 60))
    }
}

/// A server in a process of its own.
final class ServerProcess {
    private let process: ChildProcess
    let port: Int
    /// The files of nginx, if it is that.
    private let site: NginxSite?

    init(_ arguments: [String], on cpu: Int32?) throws {
        process = try ChildProcess(arguments, on: cpu)
        port = Int(try process.fields(within: 10).number("port"))
        site = nil
    }

    private init(_ site: NginxSite, on cpu: Int32?) throws {
        process = try ChildProcess(["nginx", site.executable, site.directory], on: cpu)
        port = site.port
        self.site = site
        try site.waitUntilServed()
    }

    static func floor(on cpu: Int32?) throws -> ServerProcess { try ServerProcess(["floor-server"], on: cpu) }

    static func leat(on cpu: Int32?, timers: Int = 0, hasRoutes: Bool = false) throws -> ServerProcess {
        let options = ["--port", "0", "--ends-with-input", "--timers", "\(timers)"] + (hasRoutes ? ["--routes"] : [])
        return try ServerProcess(["serve"] + options, on: cpu)
    }

    /// Nil if nginx is not installed.
    static func nginx(on cpu: Int32?, connections: Int) throws -> ServerProcess? {
        guard let site = try NginxSite(connections: connections) else { return nil }
        return try ServerProcess(site, on: cpu)
    }

    /// The address of the 13 bytes.
    var url: String { "http://127.0.0.1:\(port)/" }

    /// The address of the same after a delay; the floor's server only.
    func delayed(milliseconds: Int) -> String { "http://127.0.0.1:\(port)/delay/\(milliseconds)" }

    /// The address of a body of that many bytes; the floor's server only.
    func bytes(_ count: Int) -> String { "http://127.0.0.1:\(port)/bytes/\(count)" }

    /// Processor time used so far, in seconds.
    func processorSeconds() throws -> Double {
        guard let seconds = ProcessorTime.total(of: process.pid) else { throw ChildProcess.Failure("a server is gone") }
        return seconds
    }

    func residentKiB() throws -> Int {
        guard let resident = ProcessStatus.exactResidentKiB(of: process.pid) else {
            throw ChildProcess.Failure("a server is gone")
        }
        return resident
    }

    /// Ends the server and returns what it says about its life.
    @discardableResult
    func finish() throws -> Fields {
        if site != nil { kill(process.pid, SIGTERM) }
        return try process.finish(within: 10)
    }
}
