import Glibc
import LeatLoop
import LeatNet
package import LeatReactor

/// Sending: at the end of the turn, or at once when 64 KiB have gathered.
extension HTTPConnection {
    /// When so much output has gathered, it is flushed at once, and its producer waits until the kernel has taken it.
    package static var flushSize: Int { 65536 }
    /// Up to this size a piece of body is copied behind what is buffered; a larger one is sent from where it lies.
    static var copiedSize: Int { 16384 }

    /// Has the output sent at the end of the turn. What the kernel does not take then is sent as soon as it does.
    @inline(__always)
    package final func flushLater() { buffers.scheduleFlush(self) }

    /// Takes back the output that was to be sent at the end of the turn. Returns false if the turn has ended since.
    package final func takeBackOutput() -> Bool {
        guard isFlushPending, !awaitsWritable else { return false }
        buffers.cancelFlush(self)
        output.removeAll()
        return true
    }

    /// Whether there is output that the kernel did not take at the last flush.
    package final var isBlocked: Bool { !output.isEmpty && !isFlushPending }

    package enum FlushResult {
        case flushed, blocked
        /// `-errno`
        case failed(Int)
    }

    /// Sends what is buffered, as far as the kernel takes it now.
    @inline(__always)
    package final func tryFlush() -> FlushResult {
        while !output.isEmpty {
            let sent = trySend(output.bytes)
            if sent < 0 { return flushStopped(sent) }
            output.consume(sent)
        }
        return .flushed
    }

    /// Every flush that has sent everything without waiting ends here.
    @inline(__always)
    final func flushed() {
        if awaitsWritable { unblock() }
        outputDidFlush()
    }

    @inline(never)
    private final func flushStopped(_ result: Int) -> FlushResult {
        guard result == -Int(EAGAIN), !socket.isClosed else { return .failed(result) }
        socket.blockedConnection = .passUnretained(self)
        awaitsWritable = true
        return .blocked
    }

    /// The event that the socket is writable no longer flushes this connection: a task does, or nobody.
    final func unblock() {
        guard awaitsWritable else { return }
        awaitsWritable = false
        socket.blockedConnection = nil
    }

    @inline(__always)
    private final func trySend(_ bytes: UnsafeRawBufferPointer) -> Int {
        let result =
            if let tls { tls.trySend(bytes) } else { socketReference._withUnsafeGuaranteedRef { $0.trySend(bytes) } }
        if result > 0 { bytesSent &+= result }
        return result
    }

    // MARK: Waiting until all is sent

    /// Sends the output, and waits until the kernel has taken all of it: until `deadline`, and no longer than `timeout`
    /// nanoseconds at a time. After an error the connection cannot be written to any more.
    package final func flush(timeout: Int64, deadline: LoopInstant = .distantFuture) async throws {
        buffers.cancelFlush(self)
        if isCutOff { throw NetworkError.closed("write") }
        if case .flushed = tryFlush() { return flushed() }
        // From here on this task sends, and it counts the time.
        unblock()
        outputIsTakenOver()
        try await sendAll(timeout, deadline, isDone: { output.isEmpty }) {
            let sent = trySend(output.bytes)
            if sent > 0 { output.consume(sent) }
            return sent
        }
    }

    /// As ``flush(timeout:deadline:)``, and then sends an array without copying it.
    package final func send(_ bytes: [UInt8], timeout: Int64, deadline: LoopInstant = .distantFuture) async throws {
        try await flush(timeout: timeout, deadline: deadline)
        outputIsTakenOver()
        var sent = 0
        try await sendAll(timeout, deadline, isDone: { sent == bytes.count }) {
            let result = bytes.withUnsafeBytes { trySend(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
            if result > 0 { sent += result }
            return result
        }
    }

    /// Calls `trySome`, which answers as send(2) does, until `isDone` says so. Waits while the kernel takes nothing.
    private final func sendAll(
        _ timeout: Int64,
        _ deadline: LoopInstant,
        isDone: () -> Bool,
        trySome: () -> Int
    ) async throws {
        // Unless this ends well, nobody knows how much of it was sent, and nothing may follow it.
        isCutOff = true
        defer { isCutOff = !isDone() }
        while !isDone() {
            if socket.isClosed { throw NetworkError.closed("write") }
            if loop.hasPassed(deadline) { throw NetworkError.timedOut("write") }
            if let inputStopsSending, try inputStopsSending() { throw SendingStopped() }
            let result = trySome()
            if result >= 0 {
                if !loop.spendBudget() { await Task.yield() }
            } else if result == -Int(EAGAIN) {
                let until = min(loop.clock.now.advanced(nanoseconds: timeout), deadline)
                try await socket.waitWritable(until: until, cancellably: true).check("write")
            } else {
                throw failure(result, "write")
            }
        }
    }

    /// Thrown by whatever is sending when ``inputStopsSending`` says so.
    package struct SendingStopped: Error {}

    // MARK: Pieces of a body

    /// Sends a piece of a body. A small piece is buffered. It waits only if ``flushSize`` is reached. A large piece is sent at
    /// once, from where it lies, and it waits until the kernel has taken it.
    final func sendPiece(_ bytes: [UInt8], timeout: Int64, deadline: LoopInstant) async throws {
        if sendError != 0 { throw failure(-sendError, "write") }
        if isCutOff || socket.isClosed { throw NetworkError.closed("write") }
        if bytes.count > Self.copiedSize {
            try await send(bytes, timeout: timeout, deadline: deadline)
        } else {
            output.append(bytes)
            try await settleOutput(timeout: timeout, deadline: deadline)
        }
    }

    /// Has the output sent at the end of the turn. If ``flushSize`` is reached, it sends now, and waits until the kernel has
    /// taken it.
    final func settleOutput(timeout: Int64, deadline: LoopInstant) async throws {
        if output.count >= Self.flushSize { return try await flush(timeout: timeout, deadline: deadline) }
        if !output.isEmpty { flushLater() }
        if !loop.spendBudget() { await Task.yield() }
    }

    // MARK: The end of the sending direction

    /// Ends the sending direction: the peer reads an end of stream and may still answer.
    package final func finishWriting() {
        tls?.sendCloseNotify()
        socket.finishWriting()
    }

    /// Ends the sending direction. With TLS it says `close_notify` first, and waits for that if it must: without it, the peer
    /// could not tell the end from a connection that was cut.
    package final func finishWriting(until deadline: LoopInstant) async throws {
        while let tls, !tls.sendCloseNotify() {
            try await socket.waitWritable(until: deadline, cancellably: true).check("write")
            if socket.isClosed { throw NetworkError.closed("write") }
        }
        socket.finishWriting()
    }
}
