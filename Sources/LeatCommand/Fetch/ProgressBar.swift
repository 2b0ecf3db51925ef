import Glibc
import Leat

/// A line on the terminal that says how far a run is; redrawn a few times a second at most.
final class ProgressBar {
    private let start: LoopInstant
    private var nextDraw: LoopInstant
    private let usesColour = getenv("NO_COLOR") == nil

    private static let interval = Duration.milliseconds(100)

    init() {
        start = EventLoop.current.clock.now
        nextDraw = start
    }

    func update(finished: Int, failed: Int) {
        let now = EventLoop.current.now
        guard now >= nextDraw else { return }
        nextDraw = now.advanced(by: Self.interval)
        StandardStream.error("\r\u{1B}[K" + text(finished: finished, failed: failed))
    }

    /// Replaces the bar by a summary.
    func end(finished: Int, failed: Int) {
        StandardStream.error("\r\u{1B}[K" + text(finished: finished, failed: failed) + "\n")
    }

    private func text(finished: Int, failed: Int) -> String {
        let seconds = start.duration(to: EventLoop.current.clock.now) / .seconds(1)
        let rate = seconds > 0 ? Int(Double(finished) / seconds) : 0
        let failures = failed == 0 ? "" : usesColour ? ", \u{1B}[31m\(failed) failed\u{1B}[0m" : ", \(failed) failed"
        return "\(finished) done\(failures), \(rate)/s, \(Int(seconds)) s"
    }
}
