import LeatReactor

/// Debug mode's stopwatch: reports a job that held the loop for too long, and what its task waited for next, which tells
/// where in the program it was.
final class SlowJobDetector {
    private let threshold: Duration
    /// What the job that runs now went on to wait for.
    var lastWait: WaitReason?

    init(threshold: Duration) {
        self.threshold = threshold
    }

    func time(clock: ReactorClock, _ job: () -> Void) {
        lastWait = nil
        let start = clock.now
        job()
        let elapsed = start.duration(to: clock.now)
        if elapsed >= threshold { report(elapsed) }
    }

    private func report(_ elapsed: Duration) {
        let milliseconds = elapsed.components.seconds * 1000 + elapsed.components.attoseconds / 1_000_000_000_000_000
        let then = lastWait.map { "then waited for: \($0)" } ?? "then ended or yielded"
        printToStandardError("leat: a job held the loop for \(milliseconds) ms; its task \(then)")
    }
}
