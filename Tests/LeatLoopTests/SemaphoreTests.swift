import LeatLoop
import LeatReactor
import Testing

@Suite(.timeLimit(.minutes(5)))
struct SemaphoreTests {
    @Test func neverMoreTasksAreInsideThanThereArePermits() throws {
        try runLoop {
            let semaphore = AsyncSemaphore(value: 3)
            let inside = Shared(0)
            let most = Shared(0)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<100 {
                    group.addTask {
                        try! await semaphore.withPermit {
                            inside.value += 1
                            most.value = max(most.value, inside.value)
                            try await sleep(for: .milliseconds(1))
                            inside.value -= 1
                        }
                    }
                }
            }
            #expect(most.value == 3)
            #expect(semaphore.availablePermits == 3)
        }
    }

    @Test func waitersAreServedInTheOrderTheyCame() throws {
        let order = Shared<[Int]>([])
        try runLoop {
            let semaphore = AsyncSemaphore(value: 0)
            for number in 0..<10 {
                onLoop {
                    try await semaphore.acquire()
                    order.value.append(number)
                }
                await settle()
            }
            for _ in 0..<10 { semaphore.release() }
            await settle()
        }
        #expect(order.value == Array(0..<10))
    }

    @Test func aCancelledWaiterLeavesTheQueueAtOnce() throws {
        try runLoop {
            let semaphore = AsyncSemaphore(value: 0)
            let tasks = (0..<3).map { _ in onLoop { try await semaphore.acquire() } }
            await settle()
            #expect(semaphore.waitingTasks == 3)
            tasks[1].cancel()
            await #expect(throws: CancellationError.self) { try await tasks[1].value }
            #expect(semaphore.waitingTasks == 2)
            semaphore.release()
            semaphore.release()
            try await tasks[0].value
            try await tasks[2].value
            #expect(semaphore.availablePermits == 0)
        }
    }

    @Test func aPermitHandedToATaskThatIsThenCancelledIsNotLost() throws {
        try runLoop {
            let semaphore = AsyncSemaphore(value: 0)
            let first = onLoop { try await semaphore.withPermit {} }
            let second = onLoop { try await semaphore.withPermit {} }
            await settle()
            // In one turn: the permit goes to the first, which is cancelled before it runs.
            semaphore.release()
            first.cancel()
            _ = await first.result
            try await second.value
            #expect(semaphore.availablePermits == 1)
        }
    }

    @Test func aPermitIsGivenBackWhenTheBodyThrows() throws {
        struct Failure: Error {}
        try runLoop {
            let semaphore = AsyncSemaphore(value: 1)
            await #expect(throws: Failure.self) { try await semaphore.withPermit { throw Failure() } }
            #expect(semaphore.availablePermits == 1)
        }
    }

    @Test func gatherReturnsResultsInOrder() throws {
        let results = try runLoop {
            try await gather(
                {
                    try await sleep(for: .milliseconds(30))
                    return "a"
                },
                { "b" }
            )
        }
        #expect(results == ["a", "b"])
    }

    @Test func concurrentMapKeepsTheOrderAndTheLimitAndReadsLazily() throws {
        try runLoop {
            let taken = Shared(0)
            let running = Shared(0)
            let most = Shared(0)
            let source = (0..<50).lazy.map { number in
                taken.value += 1
                return number
            }
            let results = try await source.concurrentMap(limit: 4) { number in
                running.value += 1
                most.value = max(most.value, running.value)
                #expect(taken.value <= number + 8)
                try await sleep(for: .milliseconds(50 - number))
                running.value -= 1
                return number * 2
            }
            #expect(results == (0..<50).map { $0 * 2 })
            #expect(most.value == 4)
        }
    }

    @Test func anErrorInConcurrentMapCancelsTheOthers() throws {
        struct Failure: Error {}
        try runLoop {
            let cancelled = Shared(0)
            await #expect(throws: Failure.self) {
                _ = try await (0..<10).concurrentMap(limit: 10) { number in
                    if number == 3 { throw Failure() }
                    do { try await sleep(for: .seconds(60)) } catch { cancelled.value += 1 }
                }
            }
            #expect(cancelled.value == 9)
            #expect(EventLoop.current.statistics.waits == 0)
        }
    }
}
