import LeatReactor

extension EventLoop {
    /// Makes a loop on the calling thread, runs `body` on it, and returns what `body` returns: asyncio's `run`.
    ///
    /// Tasks that still wait when `body` ends are cancelled, and get a bounded number of turns to clean up. In debug mode
    /// what waits even then is reported.
    public static func run<T: Sendable>(
        configuration: Configuration = Configuration(),
        _ body: sending @escaping () async throws -> T
    ) throws -> T {
        let loop = try EventLoop(configuration: configuration)
        defer { loop.close() }
        return try loop.run(body)
    }

    /// Runs `body` as a task on this loop, driven by the calling thread, and returns what `body` returns.
    ///
    /// Other tasks of the loop make progress meanwhile and stay where they are afterwards; the loop can be run again.
    /// Throws what `body` throws, or ``LoopStopped`` if ``stop()`` was called first.
    public func run<T: Sendable>(_ body: sending @escaping () async throws -> T) throws -> T {
        let outcome = Outcome<T>()
        startTask {
            do { outcome.result = .success(try await body()) } catch { outcome.result = .failure(error) }
        }
        drive { outcome.result != nil }
        guard let result = outcome.result else { throw LoopStopped() }
        return try result.get()
    }

    /// Runs the loop until ``stop()`` is called.
    public func runForever() {
        drive { false }
    }

    /// Ends what would outlive the loop, or keep it alive: waits, threads, and work that nobody will run.
    private func close() {
        cancelRemainingWaits()
        offloading.close()
        markOver()
        dropUnrunWork()
    }

    /// Resumes every wait with a cancellation and gives the tasks a few turns to end.
    private func cancelRemainingWaits() {
        var turnsLeft = 100
        // A wake-up in the inbox keeps each of these turns from sleeping.
        while waits.count > 0 || hasReadyJobs, turnsLeft > 0 {
            turnsLeft -= 1
            waits.cancelAll()
            schedule {}
            var turned = false
            drive {
                defer { turned = true }
                return turned
            }
        }
        if configuration.debug { waits.reportLeaks() }
    }
}

/// ``EventLoop/stop()`` was called before the body of ``EventLoop/run(_:)`` had returned.
public struct LoopStopped: Error, CustomStringConvertible {
    public var description: String { "the event loop was stopped before its body returned" }
}

/// Where a task leaves its result for the thread that drives the loop. Both are the same thread, one after the other.
private final class Outcome<T: Sendable>: @unchecked Sendable {
    var result: Result<T, any Error>?
}
