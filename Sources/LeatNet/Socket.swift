import CLinux
import Glibc
package import LeatLoop
public import LeatReactor

/// A non-blocking socket on a loop, with what epoll last said about it.
///
/// Edge-triggered readiness works like a flag that the kernel sets and only we clear. It is set by an event, and cleared
/// by a call that answered EAGAIN or took less than it could have: the kernel will then tell of the next change. The
/// call is always tried before waiting, so a transfer that need not wait does not.
///
/// Open for Leat's own modules only: nothing of it can be used, or made, outside.
///
/// A socket holds no buffer, and no place to wait until a task first waits: a server's idle connection is one of these, with
/// a few words more (`ServerPeer`).
open class Socket: PollSource, @unchecked Sendable {
    package final let loop: EventLoop
    @exclusivity(unchecked) private final var isReadable: Bool
    @exclusivity(unchecked) private final var isWritable: Bool
    /// The peer's end of the stream has been seen: no further edge will come, so the flag for reading stays set.
    @exclusivity(unchecked) private final var sawHangup = false
    @exclusivity(unchecked) private final var closed = false
    package final var isClosed: Bool { closed }
    /// Whether reading is to go on when the socket is writable; see ``receiveWhenWritable()``.
    @exclusivity(unchecked) private final var resumesReading = false
    /// Whether a task that waits to write is also woken by what arrives.
    @exclusivity(unchecked) package final var readabilityWakesWriter = false
    // Made when a task first has to wait.
    @exclusivity(unchecked) private final var readSpotIfAny: ParkingSpot?
    @exclusivity(unchecked) private final var writeSpotIfAny: ParkingSpot?
    /// The connection with output that the kernel did not take: it is flushed when the socket becomes writable. Unowned: it
    /// takes itself out before it goes.
    @exclusivity(unchecked) package final var blockedConnection: Unmanaged<BufferedConnection>?

    /// Takes a descriptor over and registers it; it is closed if that fails. `isReady` says whether a first call is
    /// worth trying before any event.
    package init(descriptor: Int32, loop: EventLoop, isReady: Bool) throws(SystemError) {
        self.loop = loop
        isReadable = isReady
        isWritable = isReady
        super.init(descriptor: descriptor)
        do {
            try loop.reactor.poller.add(self)
        } catch {
            closed = true
            SystemCalls.close(descriptor)
            throw error
        }
    }

    /// Only a loop that has ended lets go of a socket that is open.
    deinit {
        if !closed { SystemCalls.close(descriptor) }
    }

    /// Makes an unconnected stream socket.
    package static func make(family: Int32, loop: EventLoop) throws(SystemError) -> Socket {
        try Socket(descriptor: try openDescriptor(family: family), loop: loop, isReady: false)
    }

    /// socket(2), for a stream.
    static func openDescriptor(family: Int32) throws(SystemError) -> Int32 {
        let result = SystemCalls.socket(family: family, type: Int32(SOCK_STREAM.rawValue))
        guard result >= 0 else { throw SystemError(code: Int32(-result), operation: "socket") }
        return Int32(result)
    }

    package final var readSpot: ParkingSpot {
        if let spot = readSpotIfAny { return spot }
        let spot = ParkingSpot(loop: loop)
        readSpotIfAny = spot
        return spot
    }

    package final var writeSpot: ParkingSpot {
        if let spot = writeSpotIfAny { return spot }
        let spot = ParkingSpot(loop: loop)
        writeSpotIfAny = spot
        return spot
    }

    /// Frees the places to wait: an idle connection needs none.
    package final func releaseSpots() {
        if let spot = readSpotIfAny, !spot.isOccupied {
            spot.disarm()
            readSpotIfAny = nil
        }
        if let spot = writeSpotIfAny, !spot.isOccupied {
            spot.disarm()
            writeSpotIfAny = nil
        }
    }

    // MARK: Readiness

    override open func becameReady(_ readiness: Readiness) {
        if readiness.contains(.hangup) { sawHangup = true }
        if readiness.contains(.readable) {
            isReadable = true
            readSpotIfAny?.wake(.ready)
            if readabilityWakesWriter { writeSpotIfAny?.wake(.ready) }
        }
        // Whoever waits to write does so because it was not writable.
        if readiness.contains(.writable), !isWritable {
            isWritable = true
            writeSpotIfAny?.wake(.ready)
            if resumesReading {
                resumesReading = false
                expectInput()
            }
            if let blockedConnection {
                blockedConnection._withUnsafeGuaranteedRef { $0.buffers.scheduleFlush($0) }
            }
        }
    }

    /// A send has failed: a read may say more, and is to be tried without waiting for an event.
    package final func expectInput() {
        isReadable = true
        readSpotIfAny?.wake(.ready)
    }

    /// TLS has to send something before it can receive more, and the kernel does not take it.
    final func receiveWhenWritable() {
        guard !isWritable else { return }
        isReadable = false
        resumesReading = true
    }

    /// Whether a read would find something: bytes, the end of the stream or an error.
    package final var mayBeReadable: Bool { isReadable || sawHangup }

    /// Whether ``tryReceive(into:)`` would ask the kernel.
    package final var mayReceive: Bool { isReadable }

    // MARK: Calls that do not wait

    /// recv(2): bytes read, 0 at the end of the stream, or `-errno`, with -EAGAIN for "wait first".
    @inline(__always)
    package final func tryReceive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard isReadable else { return -Int(EAGAIN) }
        let result = SystemCalls.receive(descriptor, into: buffer)
        if result == -Int(EAGAIN) {
            isReadable = false
        } else if result > 0, result < buffer.count, !sawHangup {
            // A short read has emptied the buffer; true only because the registration is edge-triggered.
            isReadable = false
        }
        return result
    }

    /// send(2): bytes sent or `-errno`, with -EAGAIN for "wait first".
    @inline(__always)
    package final func trySend(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard isWritable else { return -Int(EAGAIN) }
        let result = SystemCalls.send(descriptor, bytes)
        if result == -Int(EAGAIN) || (result >= 0 && result < bytes.count) { isWritable = false }
        return result
    }

    /// accept4(2): a descriptor or `-errno`.
    package final func tryAccept() -> (result: Int, address: SocketAddress?) {
        guard isReadable else { return (-Int(EAGAIN), nil) }
        let accepted = SocketAddress.filled { SystemCalls.accept(descriptor, $0, $1) }
        if accepted.result == -Int(EAGAIN) { isReadable = false }
        return accepted
    }

    // MARK: Waiting

    /// Why a wait for reading would end at once; nil if it would not.
    @inline(__always)
    package final var readableNow: Wake? {
        isReadable || isClosed ? .ready : nil
    }

    /// Waits until a read is worth trying. Unless `cancellably`, which costs about as much as a wait, the caller looks after
    /// cancellation.
    package final func waitReadable(
        _ reason: WaitReason? = nil,
        until deadline: LoopInstant = .distantFuture,
        cancellably: Bool = false
    ) async -> Wake {
        if let wake = readableNow { return wake }
        let reason = reason ?? .read(descriptor: descriptor)
        return cancellably
            ? await readSpot.parkCancellably(reason, until: deadline)
            : await readSpot.park(reason, until: deadline)
    }

    /// Waits until a write is worth trying; see ``waitReadable(_:until:cancellably:)``.
    package final func waitWritable(
        _ reason: WaitReason? = nil,
        until deadline: LoopInstant = .distantFuture,
        cancellably: Bool = false
    ) async -> Wake {
        if isWritable || isClosed { return .ready }
        let reason = reason ?? .write(descriptor: descriptor)
        return cancellably
            ? await writeSpot.parkCancellably(reason, until: deadline)
            : await writeSpot.park(reason, until: deadline)
    }

    // MARK: The end

    /// shutdown(2) of the sending side: the peer reads an end of stream.
    package final func finishWriting() {
        if !isClosed { _ = Glibc.shutdown(descriptor, Int32(SHUT_WR)) }
    }

    /// Forgets the descriptor in epoll, closes it and wakes whoever waited. Can be called twice.
    package final func close() {
        guard !closed else { return }
        closed = true
        // From here on the number of the descriptor may be somebody else's.
        isReadable = false
        isWritable = false
        blockedConnection = nil
        loop.reactor.poller.remove(self)
        SystemCalls.close(descriptor)
        readSpotIfAny?.disarm()
        writeSpotIfAny?.disarm()
        readSpotIfAny?.wake(.ready)
        writeSpotIfAny?.wake(.ready)
    }

    // MARK: Options

    /// setsockopt(2) with an `int`.
    package final func setOption(_ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        _ = setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// SO_ERROR, and clears it: how an asynchronous connect ended.
    package final func takeError() -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno
    }

    /// Small writes go out at once (TCP_NODELAY); Leat writes whole messages.
    package final func disableNagle() {
        setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    /// SO_LINGER with a time of zero: closing resets the connection.
    package final func discardUnsentOnClose() {
        var value = linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
    }

    /// The kernel probes the peer after a minute of silence, three times (SO_KEEPALIVE, tcp(7)).
    package final func enableKeepAlive() {
        setOption(SOL_SOCKET, SO_KEEPALIVE, 1)
        setOption(Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60)
        setOption(Int32(IPPROTO_TCP), TCP_KEEPINTVL, 10)
        setOption(Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
    }

    package final var localAddress: SocketAddress? {
        SocketAddress.filled { Int(getsockname(descriptor, $0, $1)) }.address
    }

    package final var remoteAddress: SocketAddress? {
        SocketAddress.filled { Int(getpeername(descriptor, $0, $1)) }.address
    }
}
