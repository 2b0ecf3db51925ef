/// A clock for tests: it stands still until `advance(by:)`, or, with `autojump`, until the loop has nothing left to do
/// but wait for a timer, and then jumps to that timer's deadline.
///
/// The clock jumps only when no task is ready, no other thread has handed work over, and two polls have found no event. The
/// second poll comes 50 µs after the first, and before a jump of a second or more it waits for up to 3 ms. So sockets inside the
/// process keep working. A peer in another process looks like silence: use a plain manual clock there. Thread-safe.
public final class ManualClock: Sendable {
    private struct State {
        var now: LoopInstant
        var observers: [@Sendable () -> Void] = []
    }

    private let state: Lock<State>
    /// Whether an idle loop moves this clock to its next deadline by itself.
    public let autojump: Bool

    public init(now: LoopInstant = LoopInstant(nanoseconds: 0), autojump: Bool = false) {
        state = Lock(State(now: now))
        self.autojump = autojump
    }

    /// The current reading.
    public var now: LoopInstant { state.withLock { $0.now } }

    /// Moves the clock forward and wakes every loop that lives by it. Callable from any thread.
    public func advance(by duration: Duration) {
        precondition(duration >= .zero, "a monotonic clock cannot go back")
        move { $0.advanced(by: duration) }
    }

    /// Moves the clock to `deadline` unless it is already there or past it.
    package func jump(to deadline: LoopInstant) {
        move { max($0, deadline) }
    }

    /// Calls `wake` after every move; a loop registers itself so that it looks at its timers again.
    package func whenMoved(_ wake: @escaping @Sendable () -> Void) {
        state.withLock { $0.observers.append(wake) }
    }

    private func move(_ change: (LoopInstant) -> LoopInstant) {
        let observers = state.withLock { state in
            state.now = change(state.now)
            return state.observers
        }
        for wake in observers { wake() }
    }
}
