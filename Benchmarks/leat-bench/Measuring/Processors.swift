import CFloor

/// Where this process and its children may run.
enum Processors {
    static var allowed: [Int32] {
        var cpus = [Int32](repeating: 0, count: 1024)
        let count = floor_allowed_cpus(&cpus, Int32(cpus.count))
        return Array(cpus[..<Int(count)])
    }

    static func restrict(to cpus: [Int32]) {
        _ = floor_restrict_to_cpus(cpus, Int32(cpus.count))
    }
}

/// Which processor the clients and which the servers run on: different ones, as on different machines, if there are two.
struct Placement {
    let client: Int32?
    let server: Int32?

    init() {
        let allowed = Processors.allowed
        client = allowed.count > 1 ? allowed[0] : nil
        server = allowed.count > 1 ? allowed[1] : nil
    }

    var description: String {
        guard let client, let server else { return "client and server share one core" }
        return "clients on core \(client), servers on core \(server)"
    }
}
