import CLinux
import Glibc
import Leat
import LeatLoop
import LeatNet
import LeatReactor
import Testing

private func runLoop(
    clock: ReactorClock = .monotonic,
    _ body: sending @escaping () async throws -> Void
) throws {
    var configuration = EventLoop.Configuration()
    configuration.debug = false
    configuration.clock = clock
    try EventLoop.run(configuration: configuration, body)
}

@discardableResult
private func onLoop<T: Sendable>(_ body: sending @escaping @concurrent () async throws -> T) -> Task<T, any Error> {
    Task(executorPreference: EventLoop.current.taskExecutor, operation: body)
}

/// Two ends of one connection over loopback.
private func connectedPair() async throws -> (TCPStream, TCPStream) {
    let listener = try TCPListener.bind(to: .loopback(port: 0))
    let accepted = onLoop { try await listener.accept() }
    let near = try await TCPStream.connect(to: listener.localAddress)
    let far = try await accepted.value
    listener.close()
    return (near, far)
}

/// A client that no loop watches.
private struct Peer {
    private let descriptor: Int32

    init(connectedTo address: SocketAddress) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let result = address.withSockaddr { connect(descriptor, $0, $1) }
        precondition(result == 0)
    }

    /// Whether the other side has closed the connection.
    var hasEnded: Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT)) >= 0 || errno != EAGAIN
    }

    func close() { Glibc.close(descriptor) }
}

@Suite(.timeLimit(.minutes(5)))
struct StreamTests {
    @Test func addressesAreParsedAndPrinted() {
        #expect(SocketAddress(ip: "127.0.0.1", port: 80)?.description == "127.0.0.1:80")
        #expect(SocketAddress(ip: "::1", port: 443)?.description == "[::1]:443")
        #expect(SocketAddress(ip: "::1", port: 443)?.isIPv6 == true)
        #expect(SocketAddress(ip: "localhost", port: 80) == nil)
        #expect(SocketAddress(ip: "256.0.0.1", port: 80) == nil)
        #expect(SocketAddress(ip: "127.0.0.1", port: 1) == SocketAddress.loopback(port: 1))
    }

    @Test func bytesArriveInOrderBothWays() throws {
        try runLoop {
            let (near, far) = try await connectedPair()
            try await near.write("ping")
            #expect(try await far.read() == Array("ping".utf8))
            try await far.write("pong")
            #expect(try await near.read() == Array("pong".utf8))
            near.close()
            #expect(try await far.read() == nil)
            far.close()
            #expect(EventLoop.current.statistics.descriptors == 0)
        }
    }

    @Test func aWriterWaitsForAReaderAndNothingIsLost() throws {
        try runLoop {
            let (near, far) = try await connectedPair()
            let total = 20 << 20
            let writer = onLoop {
                try await near.write([UInt8](repeating: 7, count: total))
                near.finishWriting()
            }
            for _ in 0..<50 { await Task.yield() }
            // The kernel's buffers are full long before that much: the writer is parked.
            #expect(EventLoop.current.currentWaits().count == 1)
            var received = 0
            while let bytes = try await far.read() { received += bytes.count }
            try await writer.value
            #expect(received == total)
        }
    }

    @Test func theEndOfTheStreamIsSeenAfterAShortRead() throws {
        try runLoop {
            let (near, far) = try await connectedPair()
            try await near.write("0123456789")
            near.close()
            // Bytes and end arrive as one event, and there is no second one to tell of the end.
            try await sleep(for: .milliseconds(5))
            #expect(try await far.read(upTo: 100)?.count == 10)
            #expect(try await far.read(upTo: 100) == nil)
        }
    }

    @Test func halfAClosedStreamStillReads() throws {
        try runLoop {
            let (near, far) = try await connectedPair()
            near.finishWriting()
            #expect(try await far.read() == nil)
            try await far.write("late")
            #expect(try await near.read() == Array("late".utf8))
        }
    }

    @Test func aCancelledReadThrowsAtOnceLosesNothingAndLeavesNoWait() throws {
        try runLoop {
            let (near, far) = try await connectedPair()
            let reader = onLoop { try await far.read() }
            for _ in 0..<20 { await Task.yield() }
            reader.cancel()
            await #expect(throws: CancellationError.self) { _ = try await reader.value }
            #expect(EventLoop.current.statistics.waits == 0)
            try await near.write("after")
            #expect(try await far.read() == Array("after".utf8))
        }
    }

    @Test func aSecondReaderIsToldThatTheStreamIsBusy() throws {
        try runLoop {
            let (near, far) = try await connectedPair()
            let reader = onLoop { try await far.read() }
            for _ in 0..<20 { await Task.yield() }
            let error = await #expect(throws: NetworkError.self) { _ = try await far.read() }
            #expect(error?.kind == .busy)
            try await near.write("x")
            let readerResult = try await reader.value
            #expect(readerResult == [120])
        }
    }

    @Test func aReaderThatYieldsStillHoldsItsDirection() throws {
        try runLoop {
            let (near, far) = try await connectedPair()
            let count = EventLoop.current.configuration.maximumOperationsPerJob + 10
            try await near.write([UInt8](repeating: 7, count: count + 1))
            // Its job's share of operations ends within a read, which then yields and waits nowhere.
            let reader = onLoop {
                for _ in 0..<count { _ = try await far.read(upTo: 1) }
            }
            let second = onLoop { try await far.read(upTo: 1) }
            let error = await #expect(throws: NetworkError.self) { _ = try await second.value }
            #expect(error?.kind == .busy)
            try await reader.value
            let last = try await far.read(upTo: 100)
            #expect(last?.count == 1)
        }
    }

    @Test func aWriterThatYieldsStillHoldsItsDirection() throws {
        try runLoop {
            let (near, far) = try await connectedPair()
            let small = EventLoop.current.configuration.maximumOperationsPerJob
            let large = 20 << 20
            // The large write sends a part, has no share left, and yields; the second writer comes then.
            let first = onLoop {
                for _ in 0..<small { try await near.write([1]) }
                try await near.write([UInt8](repeating: 2, count: large))
                near.finishWriting()
            }
            let second = onLoop { try await near.write([UInt8](repeating: 3, count: large)) }
            let error = await #expect(throws: NetworkError.self) { try await second.value }
            #expect(error?.kind == .busy)
            var counts = [0, 0, 0, 0]
            while let bytes = try await far.read() { for byte in bytes { counts[Int(byte)] += 1 } }
            try await first.value
            #expect(counts == [0, small, large, 0])
        }
    }

    @Test func nothingIsWrittenAfterAWriteThatWasCutShort() throws {
        try runLoop {
            let (near, far) = try await connectedPair()
            let writer = onLoop { try await near.write([UInt8](repeating: 1, count: 20 << 20)) }
            for _ in 0..<50 { await Task.yield() }
            writer.cancel()
            await #expect(throws: CancellationError.self) { try await writer.value }
            // The peer has an unknown part of it: what followed would be taken for the rest.
            let error = await #expect(throws: NetworkError.self) { try await near.write("next") }
            #expect(error?.kind == .incompleteWrite)
            // The other direction is as it was.
            try await far.write("answer")
            let answer = try await near.read()
            #expect(answer == Array("answer".utf8))
            near.abort()
            far.close()
        }
    }

    @Test func aWriteThatIsCancelledBeforeItSendsAnythingDoesNoHarm() throws {
        try runLoop {
            let (near, far) = try await connectedPair()
            let writer = onLoop {
                withUnsafeCurrentTask { $0?.cancel() }
                try await near.write("never")
            }
            await #expect(throws: CancellationError.self) { try await writer.value }
            try await near.write("next")
            let received = try await far.read()
            #expect(received == Array("next".utf8))
        }
    }

    @Test func closingAStreamEndsTheWaitOfItsReader() throws {
        try runLoop {
            let (near, far) = try await connectedPair()
            let reader = onLoop { try await far.read() }
            for _ in 0..<20 { await Task.yield() }
            far.close()
            let error = await #expect(throws: NetworkError.self) { _ = try await reader.value }
            #expect(error?.kind == .closed)
            near.close()
        }
    }

    @Test func aStreamThatNobodyHoldsClosesItsDescriptor() throws {
        try runLoop {
            do {
                let (near, far) = try await connectedPair()
                try await near.write("x")
                _ = try await far.read()
            }
            for _ in 0..<20 { await Task.yield() }
            #expect(EventLoop.current.statistics.descriptors == 0)
        }
    }

    @Test func aRefusedConnectionIsATypedError() throws {
        try runLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let address = listener.localAddress
            listener.close()
            let error = await #expect(throws: NetworkError.self) { _ = try await TCPStream.connect(to: address) }
            #expect(error?.kind == .refused)
            #expect(error?.description.contains("connect to 127.0.0.1:") == true)
            #expect(EventLoop.current.statistics.descriptors == 0)
        }
    }

    @Test func anAddressInUseIsATypedError() throws {
        try runLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let error = #expect(throws: NetworkError.self) { _ = try TCPListener.bind(to: listener.localAddress) }
            #expect(error?.kind == .addressInUse)
        }
    }

    @Test func aThousandConnectionsLeaveNothingBehind() throws {
        try runLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let server = onLoop {
                var count = 0
                for try await stream in listener.connections {
                    count += 1
                    stream.close()
                }
                return count
            }
            for _ in 0..<1000 {
                let stream = try await TCPStream.connect(to: listener.localAddress)
                #expect(try await stream.read() == nil)
                stream.close()
            }
            listener.close()
            let serverResult = try await server.value
            #expect(serverResult == 1000)
            #expect(EventLoop.current.statistics.descriptors == 0)
            #expect(EventLoop.current.statistics.waits == 0)
        }
    }

    @Test func namesAreResolvedOffTheLoopAndUnknownOnesAreTypedErrors() throws {
        try runLoop {
            #expect(try await Resolver.resolve(host: "127.0.0.1", port: 5) == [.loopback(port: 5)])
            let local = try await Resolver.resolve(host: "localhost", port: 5)
            #expect(local.contains { $0.port == 5 })
            let error = await #expect(throws: NetworkError.self) {
                _ = try await Resolver.resolve(host: "name.invalid", port: 80)
            }
            #expect(error?.kind == .nameNotFound)
        }
    }

    #if DEBUG
        @Test func anAcceptSurvivesExhaustionWithoutSpinning() throws {
            try runLoop {
                let listener = try TCPListener.bind(to: .loopback(port: 0))
                let plan = FaultPlan([.accept: [EMFILE, ECONNABORTED, ENFILE, EINTR, ENOMEM]])
                clinux_set_current_faults(Unmanaged.passUnretained(plan).toOpaque())
                defer { clinux_set_current_faults(nil) }
                let accepted = onLoop { try await listener.accept() }
                let near = try await TCPStream.connect(to: listener.localAddress)
                let before = EventLoop.current.statistics.turns
                let far = try await accepted.value
                #expect(plan.delivered == 5)
                #expect(EventLoop.current.statistics.turns - before < 50)
                near.close()
                far.close()
            }
        }

        @Test func anAcceptThatPausesStillHoldsTheListener() throws {
            try runLoop(clock: .manual(ManualClock(autojump: true))) {
                let listener = try TCPListener.bind(to: .loopback(port: 0))
                let plan = FaultPlan([.accept: [EMFILE]])
                clinux_set_current_faults(Unmanaged.passUnretained(plan).toOpaque())
                defer { clinux_set_current_faults(nil) }
                let peer = Peer(connectedTo: listener.localAddress)
                // The listener is readable only when the loop has polled.
                try await sleep(for: .milliseconds(1))
                let first = onLoop { try await listener.accept() }
                let second = onLoop { try await listener.accept() }
                let error = await #expect(throws: NetworkError.self) { _ = try await second.value }
                #expect(error?.kind == .busy)
                let stream = try await first.value
                #expect(plan.delivered == 1)
                stream.close()
                peer.close()
                listener.close()
            }
        }

        @Test func anAcceptPausesWhenAConnectionCannotBeWatched() throws {
            try runLoop(clock: .manual(ManualClock(autojump: true))) {
                let clock = EventLoop.current.clock
                let listener = try TCPListener.bind(to: .loopback(port: 0))
                let peers = (0..<3).map { _ in Peer(connectedTo: listener.localAddress) }
                // At the limit of fs.epoll.max_user_watches, and out of memory.
                let plan = FaultPlan([.control: [ENOSPC, ENOMEM]])
                clinux_set_current_faults(Unmanaged.passUnretained(plan).toOpaque())
                defer { clinux_set_current_faults(nil) }
                let begun = clock.now
                let stream = try await listener.accept()
                #expect(plan.delivered == 2)
                #expect(begun.duration(to: clock.now) == .milliseconds(100))
                // Two were closed, and the third is served.
                #expect(peers[0].hasEnded && peers[1].hasEnded && !peers[2].hasEnded)
                stream.close()
                for peer in peers { peer.close() }
                listener.close()
                #expect(EventLoop.current.statistics.descriptors == 0)
            }
        }

        @Test func interruptedTransfersLoseNothing() throws {
            try runLoop {
                let (near, far) = try await connectedPair()
                let plan = FaultPlan([.send: [EINTR, 0, EINTR], .receive: [EINTR, 0, EINTR]])
                clinux_set_current_faults(Unmanaged.passUnretained(plan).toOpaque())
                defer { clinux_set_current_faults(nil) }
                let writer = onLoop { try await near.write([UInt8](repeating: 1, count: 1 << 20)) }
                var received = 0
                while received < 1 << 20 { received += try await far.read()?.count ?? 0 }
                try await writer.value
                #expect(received == 1 << 20)
                #expect(plan.delivered >= 3)
            }
        }
    #endif

    @Test func aResetIsATypedErrorAndNotASignal() throws {
        try runLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let accepted = onLoop { try await listener.accept() }
            // A plain socket, closed with unread bytes: the kernel sends a reset.
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            _ = listener.localAddress.withSockaddr { connect(descriptor, $0, $1) }
            let far = try await accepted.value
            try await far.write("unread")
            close(descriptor)
            try await sleep(for: .milliseconds(5))
            let error = await #expect(throws: NetworkError.self) {
                for _ in 0..<10 {
                    try await far.write("more")
                    try await sleep(for: .milliseconds(1))
                }
            }
            #expect(error?.kind == .reset)
        }
    }
}
