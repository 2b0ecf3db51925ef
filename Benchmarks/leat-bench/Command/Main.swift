import CFloor
import CommandKit
import Glibc
import LeatReactor

/// The benchmark. What it measures always runs in a process of its own, started from this same executable; this process
/// only waits for them, and draws the tables.
@main
struct LeatBench {
    static func main() {
        // A child that died is seen in what it did not say, not in a signal.
        signal(SIGPIPE, SIG_IGN)
        do {
            var words = Array(CommandLine.arguments.dropFirst())
            let isChild = words.first == ChildProcess.marker
            if isChild {
                words.removeFirst()
                ChildProcess.behaveAsChild()
            }
            let verb = try Verb(parsing: words)
            if !isChild { Machine.shoutIfDebug() }
            try verb.run()
        } catch let error as UsageError {
            printToStandardError("leat-bench: \(error.description)\nTry 'leat-bench --help'.")
            exit(2)
        } catch {
            printToStandardError("leat-bench: \(error)")
            exit(1)
        }
    }
}

extension Verb {
    /// Does what was asked for. The floor's roles go into C at once: no Swift task ever exists in their processes.
    func run() throws {
        switch self {
        case .help: print(Help.text)
        case .compare(let options): try Comparison(options: options).run()
        case .idle(let options): try IdleCase.run(options)
        case .scaling(let options): try ScalingCase.run(options)
        case .timers(let options): LoopRunner.run { try await TimersCase(options: options).run() }
        case .micro(let workload): LoopRunner.run { try await workload.run() }
        case .load(let options): LoopRunner.run { try await LeatLoad(options: options).run() }
        case .batch(let options): LoopRunner.run { try await LeatBatch(options: options).run() }
        case .serve(let options): LoopRunner.run { try await LeatServe(options: options).run() }
        case .floorClient(let options): try FloorRole.client(options)
        case .floorServer(let port): try FloorRole.server(port: port)
        case .holder(let options): try FloorRole.holder(options)
        case .nginx(let options): try NginxSite.becomeNginx(options)
        }
    }
}
