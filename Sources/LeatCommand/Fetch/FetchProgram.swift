import CommandKit
import Glibc
import Leat

/// `leat fetch`: as many requests at once as are allowed, a line for each as it finishes.
struct FetchProgram: LoopProgram {
    /// Set before the loop exists, read after.
    nonisolated(unsafe) private static var options = FetchOptions()
    nonisolated(unsafe) private static var journal: Journal?

    /// Settles what is to be done; nothing is requested before that.
    static func prepare(_ words: some Sequence<String>) throws(UsageError) {
        options = try FetchOptions(parsing: words) { getenv($0).map { String(cString: $0) } }
        if let path = options.remaining { try RemainingRequests.check(path) }
        if let path = options.journal { journal = try Journal(path: path) }
        if let shard = options.shard, let source = options.shardSource {
            StandardStream.error("leat: shard \(shard), from \(source)\n")
        }
    }

    func run() async {
        signal(SIGPIPE, SIG_IGN)
        do {
            let status = try await FetchRun(Self.options, Self.journal).run()
            if status != .answered { exit(status.rawValue) }
        } catch {
            LeatCommand.end(error)
        }
    }
}
