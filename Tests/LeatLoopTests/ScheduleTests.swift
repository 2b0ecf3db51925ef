import CLinux
import Glibc
import LeatLoop
import LeatReactor
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ScheduleTests {
    @Test func callbacksRunInTheOrderTheyWereScheduledIn() throws {
        let order = Shared<[Int]>([])
        try runLoop {
            for number in 0..<1000 { EventLoop.current.schedule { order.value.append(number) } }
            #expect(order.value.isEmpty)
            await settle()
        }
        #expect(order.value == Array(0..<1000))
    }

    @Test func delayedCallbacksRunByDeadlineAndThenByOrder() throws {
        let order = Shared<[Int]>([])
        try runLoop {
            let loop = EventLoop.current
            let start = loop.clock.now
            for (number, delay) in [30, 10, 20, 10, 0].enumerated() {
                loop.schedule(at: start.advanced(by: .milliseconds(delay))) { order.value.append(number) }
            }
            try await sleep(for: .milliseconds(40))
        }
        #expect(order.value == [4, 1, 3, 2, 0])
    }

    @Test func aCancelledCallbackNeverRunsAndFreesWhatItHeld() throws {
        final class Token {}
        let ran = Shared(false)
        try runLoop {
            weak var observed: Token?
            let work: ScheduledWork
            do {
                let token = Token()
                observed = token
                let shared = Shared(token)
                work = EventLoop.current.schedule(after: .seconds(1)) {
                    _ = shared
                    ran.value = true
                }
            }
            #expect(observed != nil)
            work.cancel()
            #expect(observed == nil)
            #expect(EventLoop.current.statistics.timers == 0)
            try await sleep(for: .seconds(2))
        }
        #expect(!ran.value)
    }

    @Test func otherThreadsMaySchedule() throws {
        let counts = Shared([Int](repeating: 0, count: 4))
        try runLoop({ $0.clock = .monotonic }) {
            let loop = EventLoop.current
            await withTaskGroup(of: Void.self) { group in
                for thread in 0..<4 {
                    group.addTask {
                        try! await loop.offload {
                            for number in 0..<1000 {
                                loop.schedule {
                                    // In the order of the thread that scheduled it.
                                    #expect(counts.value[thread] == number)
                                    counts.value[thread] += 1
                                }
                            }
                        }
                    }
                }
            }
            await settle()
        }
        #expect(counts.value == [1000, 1000, 1000, 1000])
    }

    @Test func manyCallsFromAnotherThreadWakeTheLoopOnce() throws {
        let writes = try runLoop({ $0.clock = .monotonic }) {
            let loop = EventLoop.current
            return try await loop.offload { () -> UInt64 in
                // The loop is held while this thread schedules, so that it cannot fall asleep in between.
                let released = Shared(false)
                loop.schedule { while !released.value { usleep(100) } }
                usleep(5000)
                let before = SystemCalls.counts.other
                for _ in 0..<10_000 { loop.schedule {} }
                let after = SystemCalls.counts.other
                released.value = true
                return after - before
            }
        }
        #expect(writes <= 1)
    }

    @Test func offloadReturnsResultsAndErrors() throws {
        struct Failure: Error {}
        try runLoop {
            let loop = EventLoop.current
            let squares = try await (0..<1000).concurrentMap(limit: 50) { number in
                try await loop.offload { number * number }
            }
            #expect(squares == (0..<1000).map { $0 * $0 })
            await #expect(throws: Failure.self) { try await loop.offload { throw Failure() } }
        }
    }

    @Test func aCancelledOffloadReturnsAtOnce() throws {
        try runLoop({ $0.clock = .monotonic }) {
            let loop = EventLoop.current
            let released = Shared(false)
            let task = onLoop {
                try await loop.offload { while !released.value { usleep(100) } }
            }
            await settle()
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            released.value = true
        }
    }
}
