import Glibc
import Leat
import LeatLoop
import LeatReactor
import Synchronization
import Testing

@testable import LeatNet

private func run(
    clock: ManualClock = ManualClock(autojump: true),
    _ body: sending @escaping () async throws -> Void
) throws {
    var configuration = EventLoop.Configuration()
    configuration.clock = .manual(clock)
    try EventLoop.run(configuration: configuration, body)
}

/// What threads beside the loop wait for.
private final class Gate: Sendable {
    let isOpen = Atomic(false)
}

@Suite(.timeLimit(.minutes(5)))
struct ConnectTests {
    @Test func theFamiliesTakeTurns() {
        func addresses(_ texts: String...) -> [SocketAddress] { texts.map { SocketAddress(ip: $0, port: 1)! } }
        let mixed = Socket.interleaved(addresses("::1", "::2", "::3", "127.0.0.1", "127.0.0.2"))
        #expect(mixed == addresses("::1", "127.0.0.1", "::2", "127.0.0.2", "::3"))
        #expect(Socket.interleaved([]).isEmpty)
        #expect(Socket.interleaved(addresses("127.0.0.1")).count == 1)
    }

    @Test func anAddressThatRefusesIsFollowedByTheNextAtOnce() throws {
        try run {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let dead = try TCPListener.bind(to: .loopback(port: 0))
            dead.close()
            let loop = EventLoop.current
            let begun = loop.now
            let socket = try await Socket.connect(
                toFirstOf: [dead.localAddress, listener.localAddress],
                host: "test",
                loop: loop,
                until: begun.advanced(by: .seconds(5))
            )
            #expect(socket.remoteAddress == listener.localAddress)
            #expect(begun.duration(to: loop.now) < .milliseconds(250))
            socket.close()
            listener.close()
            #expect(loop.statistics.descriptors == 0 && loop.statistics.timers == 0)
        }
    }

    @Test func theErrorOfTheLastAddressIsTold() throws {
        try run {
            let dead = try TCPListener.bind(to: .loopback(port: 0))
            dead.close()
            let error = await #expect(throws: NetworkError.self) {
                _ = try await Socket.connect(
                    toFirstOf: [dead.localAddress, dead.localAddress],
                    host: "test",
                    loop: EventLoop.current,
                    until: .distantFuture
                )
            }
            #expect(error?.kind == .refused)
            #expect(EventLoop.current.statistics.descriptors == 0)
        }
    }

    @Test func anAddressThatIsSilentIsOvertaken() throws {
        try run {
            let loop = EventLoop.current
            // A backlog that is full drops what comes: the connection neither succeeds nor fails.
            let silent = try TCPListener.bind(to: .loopback(port: 0), backlog: 0)
            var fillers: [Socket] = []
            for _ in 0..<4 {
                let deadline = loop.now.advanced(by: .milliseconds(10))
                if let socket = try? await Socket.connect(to: silent.localAddress, loop: loop, until: deadline) {
                    fillers.append(socket)
                }
            }
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let begun = loop.now
            let socket = try await Socket.connect(
                toFirstOf: [silent.localAddress, listener.localAddress],
                host: "test",
                loop: loop,
                until: begun.advanced(by: .seconds(5))
            )
            #expect(socket.remoteAddress == listener.localAddress)
            #expect(begun.duration(to: loop.now) >= .milliseconds(250))
            #expect(begun.duration(to: loop.now) < .seconds(1))
            for socket in fillers + [socket] { socket.close() }
            silent.close()
            listener.close()
            #expect(loop.statistics.descriptors == 0)
        }
    }

    @Test func aNameIsLookedUpOnceForAllWhoAsk() throws {
        try run {
            let loop = EventLoop.current
            let cache = AddressCache(loop: loop, timeToLive: .seconds(10))
            let before = loop.statistics.remoteJobs
            let found = try await (0..<50).concurrentMap(limit: 50) { number in
                try await cache.addresses(of: "localhost", port: UInt16(number + 1), until: .distantFuture)
            }
            #expect(found.allSatisfy { !$0.isEmpty })
            #expect(found[41][0].port == 42)
            #expect(loop.statistics.remoteJobs - before == 1)
            try await sleep(for: .seconds(11))
            _ = try await cache.addresses(of: "localhost", port: 1, until: .distantFuture)
            #expect(loop.statistics.remoteJobs - before == 2)
        }
    }

    @Test func anAddressIsKeptFromWhenItWasFoundAndNotFromWhenTheTurnBegan() throws {
        let clock = ManualClock(autojump: true)
        try run(clock: clock) {
            let cache = AddressCache(loop: EventLoop.current, timeToLive: .seconds(1))
            // The job takes longer than an address is kept, which the turn's own reading of the clock does not show.
            clock.advance(by: .seconds(1.2))
            _ = try await cache.addresses(of: "127.0.0.1", port: 1, until: .distantFuture)
            try await sleep(for: .milliseconds(900))
            #expect(cache.knows("127.0.0.1"))
            clock.advance(by: .milliseconds(100))
            #expect(!cache.knows("127.0.0.1"))
        }
    }

    @Test func anAnswerThatCameWhileTheLoopWasBusyIsNotReportedAsLate() throws {
        let clock = ManualClock(autojump: true)
        try run(clock: clock) {
            let loop = EventLoop.current
            let cache = AddressCache(loop: loop, timeToLive: .seconds(10))
            // After a turn in which nothing was handed over, the next piece of work writes to the eventfd.
            try await sleep(for: .milliseconds(1))
            _ = SystemCalls.readCounter(loop.reactor.wakeup.descriptor)
            let deadline = loop.clock.now.advanced(by: .seconds(1))
            let lookUp = Task(executorPreference: loop.taskExecutor) { @concurrent in
                try await cache.addresses(of: "localhost", port: 1, until: deadline)
            }
            for _ in 0..<20 { await Task.yield() }
            // The loop is held until the answer is in its inbox, and the deadline has passed.
            var wakeup = pollfd(fd: loop.reactor.wakeup.descriptor, events: Int16(POLLIN), revents: 0)
            let found = poll(&wakeup, 1, 30_000)
            #expect(found == 1)
            clock.advance(by: .seconds(2))
            let addresses = try await lookUp.value
            #expect(!addresses.isEmpty)
        }
    }

    @Test func aLookUpThatHasNoAnswerIsLate() throws {
        let clock = ManualClock(autojump: true)
        try run(clock: clock) {
            let loop = EventLoop.current
            let cache = AddressCache(loop: loop, timeToLive: .seconds(10))
            // Every thread is taken, so the look-up does not begin.
            let gate = Gate()
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<loop.configuration.offloadThreads {
                    group.addTask {
                        try? await loop.offload { while !gate.isOpen.load(ordering: .acquiring) { usleep(100) } }
                    }
                }
                defer { gate.isOpen.store(true, ordering: .releasing) }
                for _ in 0..<20 { await Task.yield() }
                let deadline = loop.clock.now.advanced(by: .seconds(1))
                loop.schedule { clock.advance(by: .seconds(2)) }
                let error = await #expect(throws: NetworkError.self) {
                    _ = try await cache.addresses(of: "localhost", port: 1, until: deadline)
                }
                #expect(error?.kind == .timedOut)
            }
        }
    }

    @Test func aFailedLookUpIsToldAndNotKept() throws {
        try run {
            let loop = EventLoop.current
            let cache = AddressCache(loop: loop, timeToLive: .seconds(10))
            let before = loop.statistics.remoteJobs
            for _ in 0..<2 {
                let error = await #expect(throws: NetworkError.self) {
                    _ = try await cache.addresses(of: "no such name.invalid", port: 1, until: .distantFuture)
                }
                #expect(error?.kind == .nameNotFound)
            }
            #expect(loop.statistics.remoteJobs - before == 2)
        }
    }
}
