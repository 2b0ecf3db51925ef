import CLinux
import Glibc
import LeatLoop
import LeatReactor
import Testing

/// A descriptor that wakes a parked task.
private final class Bell: PollSource {
    let spot: ParkingSpot

    init(descriptor: Int32, loop: EventLoop) {
        spot = ParkingSpot(loop: loop)
        super.init(descriptor: descriptor)
    }

    override func becameReady(_ readiness: Readiness) {
        if readiness.contains(.readable) { spot.wake(.ready) }
    }
}

@Suite(.timeLimit(.minutes(5)))
struct FairnessTests {
    @Test func twoTasksThatYieldForeverDoNotKeepADescriptorFromItsTurn() throws {
        try runLoop({ $0.clock = .monotonic }) {
            let loop = EventLoop.current
            let stop = Shared(false)
            let yields = Shared(0)
            for _ in 0..<2 {
                onLoop {
                    while !stop.value {
                        yields.value += 1
                        await Task.yield()
                    }
                }
            }
            var descriptors: [Int32] = [0, 0]
            #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | CLINUX_SOCKET_FLAGS, 0, &descriptors) == 0)
            let bell = Bell(descriptor: descriptors[0], loop: loop)
            try loop.reactor.poller.add(bell)
            for _ in 0..<10 {
                let before = loop.statistics.turns
                loop.schedule { [far = descriptors[1]] in _ = write(far, "x", 1) }
                _ = await bell.spot.park(.read(descriptor: bell.descriptor))
                #expect(loop.statistics.turns - before <= 4)
            }
            stop.value = true
            loop.reactor.poller.remove(bell)
            close(descriptors[0])
            close(descriptors[1])
            #expect(yields.value > 0)
        }
    }

    @Test func aTurnRunsABoundedNumberOfJobs() throws {
        try runLoop({ $0.maximumJobsPerTurn = 10 }) {
            let loop = EventLoop.current
            let before = loop.statistics.turns
            for _ in 0..<100 { await Task.yield() }
            #expect(loop.statistics.turns - before >= 9)
        }
    }

    @Test func aCallbackThatSchedulesItselfDoesNotKeepATimerFromFiring() throws {
        let rounds = Shared(0)
        try runLoop({ $0.clock = .monotonic }) {
            let loop = EventLoop.current
            let stop = Shared(false)
            @Sendable func again() {
                rounds.value += 1
                if !stop.value { loop.schedule { again() } }
            }
            loop.schedule { again() }
            try await sleep(for: .milliseconds(5))
            stop.value = true
            await settle()
        }
        #expect(rounds.value > 0)
    }
}
