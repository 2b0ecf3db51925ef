import LeatLoop
import LeatReactor

/// Runs a body on a loop of its own, on the calling thread, whose time moves by itself whenever it has nothing to do.
@discardableResult
func runLoop<T: Sendable>(
    _ adjust: (inout EventLoop.Configuration) -> Void = { _ in },
    _ body: sending @escaping () async throws -> T
) throws -> T {
    var configuration = EventLoop.Configuration()
    configuration.clock = .manual(ManualClock(autojump: true))
    configuration.debug = false
    adjust(&configuration)
    return try EventLoop.run(configuration: configuration, body)
}

/// Starts a task on the current loop, as `Task { }` does in a loop program.
@discardableResult
func onLoop<T: Sendable>(_ body: sending @escaping @concurrent () async throws -> T) -> Task<T, any Error> {
    Task(executorPreference: EventLoop.current.taskExecutor, operation: body)
}

/// Something that tasks share, and threads beside their loop.
final class Shared<Value>: @unchecked Sendable {
    private let lock: Lock<Value>
    var value: Value {
        get { lock.withLock { $0 } }
        set { lock.withLock { $0 = newValue } }
    }

    init(_ value: Value) {
        lock = Lock(value)
    }
}

/// Lets every task that is ready run.
func settle() async {
    for _ in 0..<20 { await Task.yield() }
}
