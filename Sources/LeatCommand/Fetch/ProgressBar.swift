import CommandKit
import Glibc
import Leat

/// A line on the terminal that says how far a run is; redrawn a few times a second at most.
final class ProgressBar {
    private let start: LoopInstant
    private var nextDraw: LoopInstant

    private static let interval = Duration.milliseconds(100)

    init() {
        start = EventLoop.current.clock.now
        nextDraw = start
    }

    func update(finished: Int, failed: Int) {
        let now = EventLoop.current.now
        guard now >= nextDraw else { return }
        nextDraw = now.advanced(by: Self.interval)
        Terminal.progress(text(finished: finished, failed: failed))
    }

    /// Replaces the bar by a summary.
    func end(finished: Int, failed: Int) {
        Terminal.progress(text(finished: finished, failed: failed) + "\n")
    }

    private func text(finished: Int, failed: Int) -> String {
        let seconds = start.duration(to: EventLoop.current.clock.now) / .seconds(1)
        let rate = seconds > 0 ? Int(Double(finished) / seconds) : 0
        let failures = failed == 0 ? "" : ", " + Terminal.styled("\(failed) failed", .failure, on: STDERR_FILENO)
        return "\(finished) done\(failures), \(rate)/s, \(Int(seconds)) s"
    }
}
