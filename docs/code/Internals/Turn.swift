import Leat

/// Chapter "One turn of the loop": who runs when.
func turn() throws {
    var configuration = EventLoop.Configuration()
    configuration.clock = .manual(ManualClock(autojump: true))
    try EventLoop.run(configuration: configuration) {
        let loop = EventLoop.current
        @Sendable func note(_ text: String) {
            print("turn \(loop.statistics.turns)  \(loop.now.nanoseconds / 1_000_000) ms  \(text)")
        }
        loop.schedule(after: .milliseconds(10)) { note("timer, 10 ms, set first") }
        loop.schedule(after: .milliseconds(10)) { note("timer, 10 ms, set second") }
        loop.schedule(after: .milliseconds(5)) { note("timer, 5 ms") }
        loop.schedule {
            note("callback")
            loop.schedule { note("callback of a callback") }
        }
        note("body, before its first wait")
        try await sleep(for: .milliseconds(20))
        note("body, after sleeping 20 ms")
    }
}
