import CommandKit

/// Keep-alive GETs over 64 connections, as fast as they go.
enum Throughput {
    static let connections = 64

    /// How many requests make a run of about the wanted length, by a first run of the floor that also warms things up.
    static func calibrate(_ stage: Stage, quick: Bool) throws -> Int {
        Terminal.progress("warming up …")
        let sample = quick ? 2_000 : 20_000
        let run = try stage.run(["floor-client"], stage.floor.url, requests: sample, connections: connections)
        let wanted = run.rate * (quick ? 0.05 : 0.8)
        return max(1_000, Int(wanted / 1_000) * 1_000)
    }
}
