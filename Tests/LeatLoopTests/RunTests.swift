import Glibc
import LeatLoop
import LeatReactor
import Testing

private struct Failure: Error {}

@Suite(.timeLimit(.minutes(5)))
struct RunTests {
    @Test func runReturnsWhatItsBodyReturns() throws {
        #expect(try runLoop { 42 } == 42)
    }

    @Test func runThrowsWhatItsBodyThrows() {
        #expect(throws: Failure.self) { try runLoop { throw Failure() } }
    }

    @Test func aLoopCanBeRunAgain() throws {
        let loop = try EventLoop()
        #expect(try loop.run { 1 } == 1)
        #expect(try loop.run { 2 } == 2)
    }

    @Test func stopEndsARunBeforeItsBody() {
        #expect(throws: LoopStopped.self) {
            try runLoop {
                EventLoop.current.stop()
                try await sleep(for: .seconds(60))
            }
        }
    }

    @Test func runForeverEndsWithStop() throws {
        let loop = try EventLoop()
        let count = Shared(0)
        loop.schedule(after: .milliseconds(1)) {
            count.value += 1
            loop.stop()
        }
        loop.runForever()
        #expect(count.value == 1)
    }

    @Test func theLoopIsCurrentOnItsThreadOnly() throws {
        #expect(EventLoop.currentIfAny == nil)
        let elsewhere = try runLoop {
            let loop = EventLoop.current
            #expect(loop.isCurrent)
            return try await loop.offload { loop.isCurrent }
        }
        #expect(!elsewhere)
        #expect(EventLoop.currentIfAny == nil)
    }

    @Test func tasksLeftBehindAreCancelledWhenTheLoopEnds() throws {
        let ended = Shared<[String]>([])
        try runLoop {
            onLoop {
                do { try await sleep(for: .seconds(3600)) } catch { ended.value.append("\(type(of: error))") }
            }
            onLoop {
                let semaphore = AsyncSemaphore(value: 0)
                do { try await semaphore.acquire() } catch { ended.value.append("\(type(of: error))") }
            }
            await settle()
        }
        #expect(ended.value == ["CancellationError", "CancellationError"])
    }

    @Test func aLoopInsideALoopIsRefused() async {
        await #expect(processExitsWith: .failure) {
            try EventLoop.run { try EventLoop.run {} }
        }
    }

    @Test func aSlowJobIsReportedInDebugMode() async throws {
        let result = try #require(
            await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
                var configuration = EventLoop.Configuration()
                configuration.debug = true
                configuration.slowJobThreshold = .milliseconds(10)
                try EventLoop.run(configuration: configuration) {
                    usleep(20_000)
                    try await sleep(for: .milliseconds(1))
                }
            }
        )
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(text.contains("a job held the loop for"))
        #expect(text.contains("its task then waited for: sleep"))
    }
}
