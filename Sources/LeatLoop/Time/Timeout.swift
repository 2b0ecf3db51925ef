public import LeatReactor

/// A ``withTimeout(_:_:)`` or ``withDeadline(_:_:)`` ran out.
public struct TimeoutError: Error, Hashable, Sendable, CustomStringConvertible {
    public init() {}
    public var description: String { "the deadline passed" }
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
    let spot = ParkingSpot(loop: .current)
    defer { spot.disarm() }
    let call = ScopedCall(unsafeBitCast(body, to: ScopedCall<T>.Body.self))
    let wake = await withTaskGroup(of: Void.self) { group in
        group.addTask {
            await call.run()
            spot.wake(.ready)
        }
        let wake = await spot.parkCancellably(.childTask, until: deadline)
        // The child may have ended in the very turn in which the deadline passed.
        if call.result == nil { group.cancelAll() }
        return wake
    }
    let result = call.result!
    if wake == .deadline, case .failure(let error) = result, error is CancellationError { throw TimeoutError() }
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
