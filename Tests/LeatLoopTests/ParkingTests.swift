import CLinux
import Glibc
import LeatLoop
import LeatReactor
import Testing

/// An eventfd with a task that waits for it.
private final class Signal: PollSource, @unchecked Sendable {
    let spot: ParkingSpot

    init(loop: EventLoop) throws {
        spot = ParkingSpot(loop: loop)
        super.init(descriptor: eventfd(0, CLINUX_EVENTFD_FLAGS))
        try loop.reactor.poller.add(self)
    }

    deinit { SystemCalls.close(descriptor) }

    override func becameReady(_ readiness: Readiness) {
        if readiness.contains(.readable) { spot.wake(.ready) }
    }
}

@Suite(.timeLimit(.minutes(5)))
struct ParkingTests {
    @Test func whatArrivedWhileTheLoopWasBusyIsNotReportedAsLate() throws {
        let clock = ManualClock()
        try runLoop({ $0.clock = .manual(clock) }) {
            let loop = EventLoop.current
            let signals = try (0..<500).map { _ in try Signal(loop: loop) }
            let deadline = loop.clock.now.advanced(by: .seconds(1))
            let waits = signals.map { signal in
                onLoop { await signal.spot.park(.read(descriptor: signal.descriptor), until: deadline) }
            }
            await settle()
            #expect(loop.statistics.waits == 500)
            // One job takes 1.5 s. Meanwhile everything that is waited for happens.
            for signal in signals { _ = SystemCalls.addOne(signal.descriptor) }
            clock.advance(by: .seconds(1.5))
            var late = 0
            for wait in waits where try await wait.value != .ready { late += 1 }
            #expect(late == 0)
            for signal in signals {
                signal.spot.disarm()
                loop.reactor.poller.remove(signal)
            }
        }
    }

    @Test func aWaitIsListedWithItsReasonAndItsBeginning() throws {
        try runLoop {
            let spot = ParkingSpot(loop: .current)
            onLoop { _ = await spot.park(.read(descriptor: 7)) }
            await settle()
            let waits = EventLoop.current.currentWaits()
            #expect(waits.map(\.reason) == [.read(descriptor: 7)])
            #expect(waits[0].since <= EventLoop.current.now)
            spot.wake(.ready)
            #expect(EventLoop.current.currentWaits().isEmpty)
            await settle()
        }
    }

    @Test func aDeadlineThatMovesLaterDoesNotTouchTheHeap() throws {
        let clock = ManualClock()
        try runLoop({ $0.clock = .manual(clock) }) {
            let loop = EventLoop.current
            let spot = ParkingSpot(loop: loop)
            for second in 1...5 {
                let task = onLoop { await spot.park(.sleep, until: LoopInstant(nanoseconds: Int64(second) * 1000)) }
                await settle()
                #expect(loop.statistics.timers == 1)
                spot.wake(.ready)
                let taskWake = try await task.value
                #expect(taskWake == .ready)
            }
            // Fires for the first deadline, finds the last one, and is set again for that.
            let task = onLoop { await spot.park(.sleep, until: LoopInstant(nanoseconds: 6000)) }
            await settle()
            clock.advance(by: .nanoseconds(5999))
            await settle()
            #expect(spot.isOccupied)
            clock.advance(by: .nanoseconds(1))
            let taskWake = try await task.value
            #expect(taskWake == .deadline)
            #expect(loop.statistics.timers == 0)
        }
    }

    @Test func aCancellationThatComesLateDoesNotEndTheNextWait() throws {
        try runLoop({ $0.clock = .monotonic }) {
            let loop = EventLoop.current
            let spot = ParkingSpot(loop: loop)
            let first = onLoop { await spot.parkCancellably(.sleep) }
            await settle()
            // Another thread cancels; its message is in the inbox when the wait has ended and the next begun.
            let (mayCancel, hasCancelled) = (Shared(false), Shared(false))
            let canceller = onLoop {
                try await loop.offload {
                    while !mayCancel.value { usleep(100) }
                    first.cancel()
                    hasCancelled.value = true
                }
            }
            await settle()
            mayCancel.value = true
            while !hasCancelled.value { usleep(100) }
            spot.wake(.ready)
            let second = onLoop { await spot.park(.sleep) }
            let firstWake = try await first.value
            #expect(firstWake == .ready)
            try await canceller.value
            await settle()
            #expect(spot.isOccupied)
            spot.wake(.ready)
            let secondWake = try await second.value
            #expect(secondWake == .ready)
        }
    }

    @Test func aQueueOfWaitersKeepsItsOrderWhenAnyoneLeaves() throws {
        try runLoop {
            var queue = WaitQueue()
            let spots = (0..<6).map { _ in ParkingSpot(loop: .current) }
            for spot in spots { queue.append(spot) }
            queue.remove(spots[0])
            queue.remove(spots[3])
            queue.remove(spots[5])
            queue.remove(spots[3])
            let count = queue.count
            #expect(count == 3)
            var order: [Int] = []
            while let spot = queue.popFirst() { order.append(spots.firstIndex { $0 === spot }!) }
            #expect(order == [1, 2, 4])
            let isEmpty = queue.isEmpty
            #expect(isEmpty)
        }
    }
}
