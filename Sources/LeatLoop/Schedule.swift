public import LeatReactor

/// A callback that was handed to a loop; ``cancel()`` takes it back.
public final class ScheduledWork: LoopTimer, @unchecked Sendable {
    private let loop: EventLoop
    /// Nil once it ran or was cancelled. Touched on the loop only.
    private var work: (@Sendable () -> Void)?

    init(loop: EventLoop, _ work: @escaping @Sendable () -> Void) {
        self.loop = loop
        self.work = work
    }

    /// Takes the work back if it has not begun, and releases what it captured. On the loop this is certain; from another
    /// thread it is a race that the work may win. O(log n).
    public func cancel() {
        loop.execute {
            self.work = nil
            self.loop.reactor.cancel(self)
        }
    }

    /// Calls the work, once.
    func perform() {
        guard let work else { return }
        self.work = nil
        work()
    }

    /// Due: goes to the end of the ready deque, for nothing runs inside a turn's bookkeeping.
    override public func fire(at now: LoopInstant) {
        loop.enqueue(self)
    }
}

extension EventLoop {
    /// Calls `work` on the loop, soon: asyncio's `call_soon` and `call_soon_threadsafe` in one. Callable from any thread;
    /// calls are made in the order they were scheduled in.
    @discardableResult
    public func schedule(_ work: @escaping @Sendable () -> Void) -> ScheduledWork {
        let scheduled = ScheduledWork(loop: self, work)
        enqueue(scheduled)
        return scheduled
    }

    /// Calls `work` on the loop once `delay` has passed, never before: asyncio's `call_later`. Callable from any thread.
    @discardableResult
    public func schedule(after delay: Duration, _ work: @escaping @Sendable () -> Void) -> ScheduledWork {
        schedule(at: reactor.clock.now.advanced(by: delay), work)
    }

    /// Calls `work` on the loop once `deadline` has passed, never before: asyncio's `call_at`. Callbacks with the same
    /// deadline are called in the order they were set in. Callable from any thread. O(log n).
    @discardableResult
    public func schedule(at deadline: LoopInstant, _ work: @escaping @Sendable () -> Void) -> ScheduledWork {
        let scheduled = ScheduledWork(loop: self, work)
        execute { self.reactor.set(scheduled, at: deadline) }
        return scheduled
    }
}
