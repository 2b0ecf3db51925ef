import CLinux
import Glibc
import LeatReactor
import Testing

/// One end of a socket pair, which notes what it is told.
private final class Endpoint: PollSource {
    var events: [Readiness] = []
    var onEvent: (() -> Void)?

    override func becameReady(_ readiness: Readiness) {
        events.append(readiness)
        onEvent?()
    }

    func close() { Glibc.close(descriptor) }
}

private func socketPair() -> (Endpoint, Endpoint) {
    var descriptors: [Int32] = [0, 0]
    let result = socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | CLINUX_SOCKET_FLAGS, 0, &descriptors)
    precondition(result == 0)
    return (Endpoint(descriptor: descriptors[0]), Endpoint(descriptor: descriptors[1]))
}

private func send(_ text: String, to endpoint: Endpoint) {
    _ = write(endpoint.descriptor, text, text.utf8.count)
}

@Suite(.timeLimit(.minutes(5)))
struct PollerTests {
    @Test func aChangeIsReportedOnce() throws {
        let poller = try Poller()
        let (near, far) = socketPair()
        defer {
            near.close()
            far.close()
        }
        try poller.add(near)
        #expect(poller.poll(milliseconds: 0) == 1)
        #expect(near.events == [.writable])
        send("x", to: far)
        poller.poll(milliseconds: 0)
        #expect(near.events.count == 2 && near.events[1].contains(.readable))
        // Nothing was read, and nothing changed: edge-triggered, so there is no further event.
        #expect(poller.poll(milliseconds: 0) == 0)
        send("y", to: far)
        #expect(poller.poll(milliseconds: 0) == 1)
        poller.remove(near)
    }

    @Test func aPeerThatIsGoneWakesBothDirections() throws {
        let poller = try Poller()
        let (near, far) = socketPair()
        defer { near.close() }
        try poller.add(near)
        poller.poll(milliseconds: 0)
        far.close()
        poller.poll(milliseconds: 0)
        #expect(near.events.last == [.readable, .writable, .hangup])
        poller.remove(near)
    }

    @Test func anEventOfThisBatchCannotReachTheNextOwnerOfADescriptor() throws {
        let poller = try Poller()
        let (first, firstPeer) = socketPair()
        let (second, secondPeer) = socketPair()
        defer {
            firstPeer.close()
            secondPeer.close()
        }
        try poller.add(first)
        try poller.add(second)
        poller.poll(milliseconds: 0)
        first.events = []
        second.events = []
        send("x", to: firstPeer)
        send("x", to: secondPeer)
        // Whichever is told first closes the other, whose number and slot a new pair then gets at once.
        var successors: [Endpoint] = []
        func replace(_ victim: Endpoint) {
            guard successors.isEmpty else { return }
            poller.remove(victim)
            victim.close()
            let pair = socketPair()
            successors = [pair.0, pair.1]
            try! poller.add(pair.0)
        }
        first.onEvent = { replace(second) }
        second.onEvent = { replace(first) }
        poller.poll(milliseconds: 0)
        #expect(poller.staleEvents == 1)
        #expect(first.events.count + second.events.count == 1)
        #expect(successors[0].events.isEmpty)
        poller.poll(milliseconds: 0)
        #expect(successors[0].events == [.writable])
    }

    @Test func theEventArrayGrowsWhenItIsFull() throws {
        let poller = try Poller()
        let pairs = (0..<100).map { _ in socketPair() }
        for pair in pairs { try poller.add(pair.0) }
        let before = poller.eventCapacity
        #expect(poller.poll(milliseconds: 0) == before)
        #expect(poller.eventCapacity == before * 2)
        #expect(poller.poll(milliseconds: 0) == 100 - before)
        for pair in pairs {
            poller.remove(pair.0)
            pair.0.close()
            pair.1.close()
        }
        #expect(poller.count == 0)
    }

    @Test func aRemovedSourceIsReleasedAndItsSlotUsedAgain() throws {
        let poller = try Poller()
        weak var observed: Endpoint?
        var slot: UInt32?
        do {
            let (near, far) = socketPair()
            observed = near
            try poller.add(near)
            slot = near.token?.slot
            poller.remove(near)
            near.close()
            far.close()
        }
        #expect(observed == nil)
        let (near, far) = socketPair()
        try poller.add(near)
        #expect(near.token?.slot == slot)
        #expect(near.token?.generation == 1)
        poller.remove(near)
        near.close()
        far.close()
    }

    @Test func aDescriptorThatCannotBeWatchedIsATypedError() throws {
        let poller = try Poller()
        let error = #expect(throws: SystemError.self) { try poller.add(Endpoint(descriptor: 1_000_000)) }
        #expect(error?.code == EBADF)
        #expect(poller.count == 0)
    }
}
