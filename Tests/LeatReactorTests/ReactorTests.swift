import CLinux
import Glibc
import LeatReactor
import Testing

private final class Recorder: LoopTimer {
    private(set) var firings: [LoopInstant] = []

    override func fire(at now: LoopInstant) {
        firings.append(now)
    }
}

/// An eventfd that counts what it is told. It is writable, so an event is pending as soon as it is registered.
private final class Counter: PollSource {
    private(set) var events = 0
    /// Whether each event causes the next.
    private let isRestless: Bool

    init(isRestless: Bool = false) {
        self.isRestless = isRestless
        super.init(descriptor: eventfd(0, CLINUX_EVENTFD_FLAGS))
    }

    deinit { SystemCalls.close(descriptor) }

    override func becameReady(_ readiness: Readiness) {
        events += 1
        if isRestless { _ = SystemCalls.addOne(descriptor) }
    }
}

/// Notes how many of the sources had been told of an event when it fired.
private final class Witness: LoopTimer {
    private let sources: [Counter]
    private(set) var told: Int?

    init(_ sources: [Counter]) {
        self.sources = sources
    }

    override func fire(at now: LoopInstant) {
        told = sources.count { $0.events > 0 }
    }
}

/// A reactor that has pending events, as many as there are sources, and a timer that is due.
private func busyReactor(_ sources: [Counter]) throws -> (Reactor, Witness) {
    let clock = ManualClock()
    let reactor = try Reactor(clock: .manual(clock))
    for source in sources { try reactor.poller.add(source) }
    let timer = Witness(sources)
    reactor.set(timer, at: reactor.now.advanced(by: .seconds(1)))
    clock.advance(by: .seconds(2))
    return (reactor, timer)
}

@Suite(.timeLimit(.minutes(5)))
struct ReactorTests {
    @Test func everyPendingEventIsTakenBeforeATimerFires() throws {
        let sources = (0..<500).map { _ in Counter() }
        let (reactor, timer) = try busyReactor(sources)
        reactor.turn(mayWait: true)
        #expect(timer.told == 500)
        for source in sources { reactor.poller.remove(source) }
    }

    @Test func sourcesThatNeverRestCannotHoldATurn() throws {
        let sources = (0..<500).map { _ in Counter(isRestless: true) }
        let (reactor, timer) = try busyReactor(sources)
        let events = reactor.turn(mayWait: true)
        #expect(timer.told == 500)
        #expect(events < 2000)
        for source in sources { reactor.poller.remove(source) }
    }

    @Test func theTimeOfTheTurnBeforeIsKept() throws {
        let clock = ManualClock()
        let reactor = try Reactor(clock: .manual(clock))
        #expect(reactor.previousTurnTime == reactor.now)
        clock.advance(by: .seconds(1))
        reactor.turn(mayWait: false)
        #expect(reactor.previousTurnTime.duration(to: reactor.now) == .seconds(1))
        reactor.turn(mayWait: false)
        #expect(reactor.previousTurnTime == reactor.now)
    }

    @Test func aTimerNeverFiresEarly() throws {
        let reactor = try Reactor()
        for milliseconds in [0, 1, 2, 5, 20] {
            let timer = Recorder()
            let deadline = reactor.clock.now.advanced(by: .milliseconds(milliseconds))
            reactor.set(timer, at: deadline)
            while timer.firings.isEmpty { reactor.turn(mayWait: true) }
            #expect(timer.firings[0] >= deadline)
        }
    }

    @Test func aLaterDeadlineMakesNoSystemCall() throws {
        let reactor = try Reactor()
        let timers = (1...100).map { _ in Recorder() }
        let start = reactor.clock.now
        reactor.set(timers[0], at: start.advanced(by: .milliseconds(2)))
        for timer in timers.dropFirst() { reactor.set(timer, at: start.advanced(by: .milliseconds(3))) }
        while timers[0].firings.isEmpty { reactor.turn(mayWait: true) }
        #expect(reactor.alarmSettings <= 2)
        while timers[99].firings.isEmpty { reactor.turn(mayWait: true) }
        #expect(reactor.alarmSettings <= 3)
    }

    @Test func aWakeupFromAnotherThreadEndsTheWait() throws {
        let reactor = try Reactor()
        // The reactor's own descriptors are reported as writable once.
        reactor.turn(mayWait: false)
        var thread = pthread_t()
        let wakeup = Unmanaged.passRetained(reactor.wakeup)
        pthread_create(
            &thread,
            nil,
            { context in
                usleep(2000)
                Unmanaged<Wakeup>.fromOpaque(context!).takeRetainedValue().signal()
                return nil
            },
            wakeup.toOpaque()
        )
        #expect(reactor.turn(mayWait: true) == 1)
        pthread_join(thread, nil)
        #expect(reactor.turn(mayWait: false) == 0)
    }

    @Test func aManualClockStandsStillUntilItIsMoved() throws {
        let clock = ManualClock()
        let reactor = try Reactor(clock: .manual(clock))
        let timer = Recorder()
        reactor.set(timer, at: LoopInstant(nanoseconds: 1_000))
        reactor.turn(mayWait: false)
        #expect(timer.firings.isEmpty)
        clock.advance(by: .nanoseconds(999))
        reactor.turn(mayWait: false)
        #expect(timer.firings.isEmpty)
        clock.advance(by: .nanoseconds(1))
        // Moving the clock wakes a reactor that waits.
        reactor.turn(mayWait: true)
        #expect(timer.firings == [LoopInstant(nanoseconds: 1_000)])
    }

    @Test func anAutojumpClockGoesToTheNextDeadlineAndNoFurther() throws {
        let clock = ManualClock(autojump: true)
        let reactor = try Reactor(clock: .manual(clock))
        reactor.turn(mayWait: false)
        let (first, second) = (Recorder(), Recorder())
        reactor.set(first, at: LoopInstant(nanoseconds: 3_600_000_000_000))
        reactor.set(second, at: LoopInstant(nanoseconds: 7_200_000_000_000))
        reactor.turn(mayWait: true)
        #expect(first.firings == [LoopInstant(nanoseconds: 3_600_000_000_000)])
        #expect(second.firings.isEmpty)
    }

    @Test func aTimerThatSetsItselfAgainCannotHoldATurn() throws {
        final class Restless: LoopTimer {
            let reactor: Reactor
            var count = 0

            init(_ reactor: Reactor) {
                self.reactor = reactor
            }

            override func fire(at now: LoopInstant) {
                count += 1
                if count < 10 { reactor.set(self, at: now) }
            }
        }
        let reactor = try Reactor(clock: .manual(ManualClock()))
        let timer = Restless(reactor)
        reactor.set(timer, at: reactor.now)
        reactor.turn(mayWait: false)
        #expect(timer.count == 1)
    }

    @Test func instantsSaturateAndRoundUp() {
        let instant = LoopInstant(nanoseconds: 0)
        #expect(instant.advanced(by: .seconds(Int64.max)) == .distantFuture)
        #expect(instant.advanced(by: .seconds(Int64.min)).nanoseconds == .min)
        let half = Duration(secondsComponent: 0, attosecondsComponent: 500_000_000)
        #expect(instant.advanced(by: half).nanoseconds == 1)
        #expect(instant.duration(to: LoopInstant(nanoseconds: 1_500_000_000)) == .seconds(1.5))
    }

    #if DEBUG
        @Test func aPollThatASignalInterruptsLosesNoEventToATimer() throws {
            let source = Counter()
            let (reactor, timer) = try busyReactor([source])
            // As after SIGSTOP and SIGCONT: the process wakes with EINTR, and with hours of events pending.
            let plan = FaultPlan([.poll: [EINTR]])
            _ = plan.apply { reactor.turn(mayWait: true) }
            #expect(plan.delivered == 1)
            #expect(timer.told == 1)
            reactor.poller.remove(source)
        }

        @Test func anInterruptedCallIsRepeated() throws {
            let wakeup = try Wakeup()
            let plan = FaultPlan([.counter: [EINTR, EINTR]])
            plan.apply { wakeup.signal() }
            #expect(plan.delivered == 2)
            #expect(SystemCalls.readCounter(wakeup.descriptor) == 8)
        }
    #endif
}
