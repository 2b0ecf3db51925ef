import LeatLoop
import LeatReactor
import Testing

@Suite(.timeLimit(.minutes(5)))
struct SleepTests {
    @Test func aSleepIsNeverShort() throws {
        try runLoop({ $0.clock = .monotonic }) {
            let clock = EventLoop.current.clock
            for milliseconds in [0, 1, 3, 10] {
                let start = clock.now
                try await sleep(for: .milliseconds(milliseconds))
                #expect(start.duration(to: clock.now) >= .milliseconds(milliseconds))
            }
        }
    }

    @Test func aSleepCountsFromWhenItIsCalledAndNotFromWhenTheTurnBegan() throws {
        let clock = ManualClock(autojump: true)
        try runLoop({ $0.clock = .manual(clock) }) {
            // The job takes half a second, which the turn's own reading of the clock does not show.
            clock.advance(by: .milliseconds(500))
            let start = clock.now
            try await sleep(for: .milliseconds(100))
            #expect(start.duration(to: clock.now) >= .milliseconds(100))
        }
    }

    @Test func aCancelledSleepThrowsAtOnceAndLeavesNothing() throws {
        try runLoop({ $0.clock = .manual(ManualClock()) }) {
            let task = onLoop { try await sleep(for: .seconds(3600)) }
            await settle()
            #expect(EventLoop.current.statistics.waits == 1)
            #expect(EventLoop.current.statistics.timers == 1)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(EventLoop.current.statistics.waits == 0)
            #expect(EventLoop.current.statistics.timers == 0)
        }
    }

    @Test func aSleepInACancelledTaskDoesNotBegin() throws {
        try runLoop({ $0.clock = .manual(ManualClock()) }) {
            let task = onLoop {
                await settle()
                try await sleep(for: .seconds(1))
            }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test func aHundredThousandSleepsHalfOfThemCancelledLeaveNothingAndNoneIsEarly() throws {
        try runLoop {
            let loop = EventLoop.current
            let clock = loop.clock
            let early = Shared(0)
            let slept = Shared(0)
            var tasks: [Task<Void, any Error>] = []
            for number in 0..<100_000 {
                let duration = Duration.milliseconds(number * 7919 % 1000)
                tasks.append(
                    onLoop {
                        let start = clock.now
                        try await sleep(for: duration)
                        slept.value += 1
                        if start.duration(to: clock.now) < duration { early.value += 1 }
                    }
                )
            }
            await Task.yield()
            for index in stride(from: 1, to: tasks.count, by: 2) { tasks[index].cancel() }
            for task in tasks { _ = await task.result }
            #expect(slept.value == 50_000)
            #expect(early.value == 0)
            #expect(loop.statistics.timers == 0)
            #expect(loop.statistics.waits == 0)
        }
    }

    @Test func aTimeoutCancelsItsBody() throws {
        try runLoop {
            await #expect(throws: TimeoutError.self) {
                try await withTimeout(.seconds(1)) { try await sleep(for: .seconds(10)) }
            }
            #expect(EventLoop.current.statistics.timers == 0)
            #expect(EventLoop.current.statistics.waits == 0)
        }
    }

    @Test func aBodyThatIsInTimeHasItsValueReturned() throws {
        let value = try runLoop {
            try await withTimeout(.seconds(10)) {
                try await sleep(for: .seconds(1))
                return 7
            }
        }
        #expect(value == 7)
    }

    @Test func otherErrorsPassThroughATimeout() throws {
        struct Failure: Error {}
        try runLoop {
            await #expect(throws: Failure.self) { try await withTimeout(.seconds(1)) { throw Failure() } }
        }
    }

    @Test func theInnerOfTwoTimeoutsIsTheOneThatThrows() throws {
        try runLoop {
            let inner = try await withTimeout(.seconds(10)) { () async throws -> Bool in
                do {
                    try await withTimeout(.seconds(1)) { try await sleep(for: .seconds(60)) }
                    return false
                } catch is TimeoutError {
                    return true
                }
            }
            #expect(inner)
        }
    }

    @Test func cancellingATaskInATimeoutIsACancellation() throws {
        try runLoop({ $0.clock = .manual(ManualClock()) }) {
            let task = onLoop { try await withTimeout(.seconds(1)) { try await sleep(for: .seconds(60)) } }
            await settle()
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(EventLoop.current.statistics.timers == 0)
        }
    }

    @Test func theLoopsClockIsASwiftClock() throws {
        try runLoop {
            let clock = EventLoop.current.clock
            let elapsed = try await clock.measure { try await clock.sleep(for: .seconds(5)) }
            #expect(elapsed == .seconds(5))
        }
    }
}
