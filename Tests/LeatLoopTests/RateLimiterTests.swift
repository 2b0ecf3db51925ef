import LeatLoop
import LeatReactor
import Testing

@Suite(.timeLimit(.minutes(5)))
struct RateLimiterTests {
    private func seconds(_ body: () async throws -> Void) async rethrows -> Double {
        let loop = EventLoop.current
        let begun = loop.clock.now
        try await body()
        return begun.duration(to: loop.clock.now) / .seconds(1)
    }

    @Test func tokensAreEvenlySpacedAfterTheBurst() throws {
        try runLoop {
            let limiter = RateLimiter(perSecond: 10, burst: 5)
            let burst = try await seconds { for _ in 0..<5 { try await limiter.acquire() } }
            #expect(burst == 0)
            let rest = try await seconds { for _ in 0..<20 { try await limiter.acquire() } }
            #expect(abs(rest - 2) < 0.001)
            // What gathers is no more than the burst.
            try await sleep(for: .seconds(100))
            let again = try await seconds { for _ in 0..<6 { try await limiter.acquire() } }
            #expect(abs(again - 0.1) < 0.001)
        }
    }

    @Test func waitersAreServedInTheirOrder() throws {
        try runLoop {
            let limiter = RateLimiter(perSecond: 1)
            let order = Shared<[Int]>([])
            let tasks = (0..<10).map { number in
                onLoop {
                    try await limiter.acquire()
                    order.value.append(number)
                }
            }
            let taken = try await seconds { for task in tasks { try await task.value } }
            #expect(order.value == Array(0..<10) && abs(taken - 9) < 0.001)
        }
    }

    @Test func aCancelledWaiterTakesNoTokenWithIt() throws {
        try runLoop {
            let limiter = RateLimiter(perSecond: 1)
            try await limiter.acquire()
            let tasks = (0..<10).map { _ in onLoop { try await limiter.acquire() } }
            await settle()
            for task in tasks[0..<9] { task.cancel() }
            let taken = try await seconds { try await tasks[9].value }
            #expect(abs(taken - 1) < 0.001)
            for task in tasks[0..<9] { await #expect(throws: CancellationError.self) { try await task.value } }
            #expect(limiter.waitingTasks == 0 && EventLoop.current.statistics.timers == 0)
        }
    }

    @Test func ratesMayBeVeryLowAndVeryHigh() throws {
        try runLoop {
            let slow = RateLimiter(perSecond: 1.0 / 3600)
            let fast = RateLimiter(perSecond: 1e9, burst: 1 << 30)
            let taken = try await seconds { for _ in 0..<3 { try await slow.acquire() } }
            #expect(abs(taken - 7200) < 0.001)
            let none = try await seconds { for _ in 0..<10_000 { try await fast.acquire() } }
            #expect(none < 0.001)
        }
    }
}
