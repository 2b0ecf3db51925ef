import Leat
import Synchronization

/// Runs a piece of work as a whole program on a loop of its own: one process, one thread. A program's `init()` takes
/// nothing, so the work waits for it in a static.
struct LoopRunner: LoopProgram {
    typealias Work = @Sendable () async throws -> Void
    private static let work = Mutex<Work?>(nil)

    static func run(_ work: @escaping Work) {
        Self.work.withLock { $0 = work }
        main()
    }

    func run() async throws {
        try await Self.work.withLock { $0 }?()
    }
}
