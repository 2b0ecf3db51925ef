public import LeatReactor
import Synchronization

/// A ``withTimeout(_:_:)`` or ``withDeadline(_:_:)`` ran out.
public struct TimeoutError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was going on when it did, if the body has said so: an HTTP request names its phase.
    public let detail: String?

    public init(detail: String? = nil) { self.detail = detail }

    /// For example `the deadline passed (timeout: first byte took longer than 2.0 seconds …)`.
    public var description: String { "the deadline passed" + (detail.map { " (\($0))" } ?? "") }
}

/// An error that says that time ran out. Where it was the time of a ``withDeadline(_:_:)`` around it, that throws
/// ``TimeoutError`` in its place.
package protocol TimeLimitError: Error {
    var isTimeout: Bool { get }
}

/// One ``withDeadline(_:_:)`` that is going on, and those around it.
private final class DeadlineScope: Sendable {
    @TaskLocal static var current: DeadlineScope?

    let deadline: LoopInstant
    let outer: DeadlineScope?
    /// A task that was started within, and not awaited, outlives the scope and is not bound by it.
    let isOver = Atomic(false)

    init(_ deadline: LoopInstant, in outer: DeadlineScope?) {
        self.deadline = deadline
        self.outer = outer
    }

    /// The earliest of those that are going on.
    static var earliest: LoopInstant? {
        var earliest: LoopInstant?
        var scope = current
        while let one = scope {
            if !one.isOver.load(ordering: .relaxed) { earliest = min(earliest ?? one.deadline, one.deadline) }
            scope = one.outer
        }
        return earliest
    }
}

extension EventLoop {
    /// The earliest deadline of the ``withDeadline(_:_:)`` and ``withTimeout(_:_:)`` around the caller, or nil: trio's
    /// `current_effective_deadline`. HTTP requests and retries do not wait beyond it.
    public static var currentDeadline: LoopInstant? { DeadlineScope.earliest }

    /// As ``currentDeadline``, and next to free while no task of the loop has one.
    package var scopedDeadline: LoopInstant? { deadlineScopes > 0 ? DeadlineScope.earliest : nil }
}

/// Runs `body`, and cancels it once `duration` has passed: asyncio's `timeout`.
///
/// If the cancelled body throws `CancellationError`, this throws ``TimeoutError``; another error is passed on, and a body
/// that returns a value in spite of it all has that value returned. This function returns only when `body` has: work
/// that does not react to cancellation delays it.
public func withTimeout<T>(_ duration: Duration, _ body: @escaping () async throws -> T) async throws -> T {
    let loop = EventLoop.current
    return try await withDeadline(loop.reactor.clock.now.advanced(by: duration), body)
}

/// Runs `body`, and cancels it once `deadline` has passed on its loop's clock: asyncio's `timeout_at`.
/// See ``withTimeout(_:_:)``.
public func withDeadline<T>(_ deadline: LoopInstant, _ body: @escaping () async throws -> T) async throws -> T {
    let loop = EventLoop.current
    let spot = ParkingSpot(loop: loop)
    let scope = DeadlineScope(deadline, in: DeadlineScope.current)
    loop.deadlineScopes += 1
    defer {
        scope.isOver.store(true, ordering: .relaxed)
        loop.deadlineScopes -= 1
        spot.disarm()
    }
    let call = ScopedCall(unsafeBitCast(body, to: ScopedCall<T>.Body.self))
    let wake = await withTaskGroup(of: Void.self) { group in
        group.addTask {
            await DeadlineScope.$current.withValue(scope) { await call.run() }
            spot.wake(.ready)
        }
        let wake = await spot.parkCancellably(.childTask, until: deadline)
        // The child may have ended in the very turn in which the deadline passed.
        if call.result == nil { group.cancelAll() }
        return wake
    }
    let result = call.result!
    if case .failure(let error) = result, loop.clock.now >= deadline {
        if wake == .deadline, error is CancellationError { throw TimeoutError() }
        if let limit = error as? any TimeLimitError, limit.isTimeout { throw TimeoutError(detail: "\(error)") }
    }
    return try result.get()
}

/// A body lent to a child task.
///
/// The body need not be sendable: the parent only waits while the child runs, on the same thread, so neither sees the
/// other half-way. The compiler cannot know that, so the caller's cast adds `@Sendable`, which changes nothing at run
/// time.
private final class ScopedCall<T>: @unchecked Sendable {
    typealias Body = nonisolated(nonsending) @Sendable () async throws -> T
    private let body: Body
    private(set) var result: Result<T, any Error>?

    init(_ body: @escaping Body) {
        self.body = body
    }

    func run() async {
        do { result = .success(try await body()) } catch { result = .failure(error) }
    }
}
