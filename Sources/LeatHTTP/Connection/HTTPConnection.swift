import Glibc
package import LeatLoop
package import LeatNet
package import LeatReactor

/// One HTTP/1.1 connection, seen from either end: bytes in through the parser, bytes out through one buffer.
///
/// Received bytes are parsed where they landed, in the loop's scratch buffer. Only what is left over when the next read is
/// about to go there (half a header line, the next pipelined request) is copied into a buffer of this connection's own, so
/// an idle connection has none.
package final class HTTPConnection: LoopConnection {
    package let socket: Socket
    /// What lies between the socket and HTTP, for `https`.
    package let tls: TLSChannel?
    package let loop: EventLoop
    /// Whether waits look out for the cancellation of their task. A client's do, for a task may end with one request; a
    /// server cancels its connections itself, by ``Socket/cancelWaits()``, and saves the handler.
    @exclusivity(unchecked) package var waitsCancellably: Bool
    @exclusivity(unchecked) package var parser: HTTPParser
    /// Bytes to send; ``flush(timeout:deadline:)`` sends them.
    @exclusivity(unchecked) package var output: [UInt8] = []

    /// Where a server's connection takes its output buffer from, and leaves it when all is sent, so that an idle one has none.
    private let spareOutputs: SpareBuffers?

    /// Whether sending has failed in the middle of something.
    @exclusivity(unchecked) private var isCutOff = false

    /// Received and not yet parsed. Lies in the scratch buffer or in `carry`.
    @exclusivity(unchecked) private var window = UnsafeRawBufferPointer(start: nil, count: 0)
    @exclusivity(unchecked) private var carry: UnsafeMutableRawBufferPointer?
    /// Whether the peer has ended its side.
    @exclusivity(unchecked) package private(set) var sawEnd = false
    /// Bytes received since the connection was made.
    @exclusivity(unchecked) package private(set) var bytesReceived = 0
    /// Bytes sent, likewise.
    @exclusivity(unchecked) package private(set) var bytesSent = 0

    package init(
        socket: Socket,
        tls: TLSChannel? = nil,
        role: HTTPParser.Role,
        limits: HTTPLimits,
        spareOutputs: SpareBuffers? = nil
    ) {
        self.socket = socket
        self.spareOutputs = spareOutputs
        self.tls = tls
        loop = socket.loop
        waitsCancellably = role == .response
        parser = HTTPParser(role: role, limits: limits)
    }

    deinit {
        loop.forget(self)
        carry?.deallocate()
    }

    /// How many bytes wait to be parsed.
    package var unparsedCount: Int { window.count }
    /// Whether bytes wait to be parsed.
    package var hasUnparsedBytes: Bool { !window.isEmpty }

    /// Whether nothing of another message has been received. Not asked of the parser as a whole, which would be copied.
    package var isBetweenMessages: Bool {
        parser.phase == .startLine && parser.scanned == 0 && parser.interimResponses == 0 && window.isEmpty
    }

    // MARK: Receiving

    /// What ``tryNext()`` found.
    package enum Event {
        /// A head: fetch it from the parser.
        case head
        /// A piece of body. Good until this connection is touched again or the task suspends.
        case body(UnsafeRawBufferPointer)
        /// The message is complete.
        case end
    }

    /// Takes the next event out of what has been received; nil if more bytes are needed.
    @inline(__always)
    package func tryNext() throws(HTTPParseError) -> Event? {
        let bytes = window
        var consumed = 0
        let event = try parser.parse(bytes, consumed: &consumed)
        window = UnsafeRawBufferPointer(rebasing: bytes[consumed...])
        switch event {
        case .needMore: return nil
        case .head: return .head
        case .body(let range): return .body(UnsafeRawBufferPointer(rebasing: bytes[range]))
        case .end: return .end
        }
    }

    /// Receives more bytes, waiting for them: until `deadline`, and no longer than `timeout` nanoseconds at a time.
    /// Returns false at the end of the stream. Throws `NetworkError` (`.timedOut`) or `CancellationError`.
    @inline(__always)
    package func fill(timeout: Int64 = .max, deadline: LoopInstant = .distantFuture) async throws -> Bool {
        try await takeTurn(until: deadline)
        while true {
            if try tryFill() { return !sawEnd }
            try await waitForInput(timeout: timeout, deadline: deadline)
        }
    }

    /// What comes before each fill: others have their turn, and the deadline holds also for whoever need not wait, since a slow
    /// reader finds something to read for ever.
    @inline(__always)
    func takeTurn(until deadline: LoopInstant) async throws {
        if !loop.spendBudget() { await Task.yield() }
        if deadline <= loop.now { throw NetworkError.timedOut("read") }
    }

    /// Waits until it is worth trying again, and meanwhile sends what the kernel did not take at the end of the turn.
    @inline(__always)
    func waitForInput(timeout: Int64, deadline: LoopInstant) async throws {
        let until = min(loop.now.advanced(nanoseconds: timeout), deadline)
        if hasUnsent { return try await sendUnsent(until: until) }
        // As ``Socket/waitReadable(_:until:cancellably:)``, without a function more on the way.
        let reason = WaitReason.read(descriptor: socket.descriptor)
        let wake =
            if let now = socket.readableNow {
                now
            } else if waitsCancellably {
                await socket.readSpot.parkCancellably(reason, until: until)
            } else {
                await socket.readSpot.park(reason, until: until)
            }
        try wake.check("read")
    }

    /// What ``Socket/tryReceive(into:)`` answers, and the bytes.
    @inline(__always)
    private func tryReceive() -> (result: Int, bytes: UnsafeRawBufferPointer) {
        if window.isEmpty { dropCarry() }
        let room = loop.scratch(for: self)
        let result = tryReceive(into: room)
        return (result, UnsafeRawBufferPointer(rebasing: room[..<max(0, result)]))
    }

    @inline(__always)
    private func tryReceive(into room: UnsafeMutableRawBufferPointer) -> Int {
        if let tls { tls.tryReceive(into: room) } else { socket.tryReceive(into: room) }
    }

    @inline(__always)
    private func trySend(_ bytes: UnsafeRawBufferPointer) -> Int {
        let result = if let tls { tls.trySend(bytes) } else { socket.trySend(bytes) }
        if result > 0 { bytesSent &+= result }
        return result
    }

    private func failure(_ result: Int, _ operation: String) -> any Error {
        tls?.failure ?? NetworkError(code: Int32(-result), operation: operation)
    }

    /// Whether nothing has arrived since the last message: bytes that nobody asked for would answer the next request, and
    /// after the end of the stream there is no next one. Without an event there is nothing to ask the kernel.
    package var isQuiet: Bool {
        guard !socket.isClosed, isBetweenMessages else { return false }
        guard socket.mayBeReadable || tls?.hasBufferedInput == true else { return true }
        return tryReceive().result == -Int(EAGAIN)
    }

    private func accept(_ received: UnsafeRawBufferPointer) {
        window = window.isEmpty ? received : joined(window, received)
    }

    /// Moves unparsed bytes out of the scratch buffer.
    override package func leaveScratch() {
        guard !window.isEmpty else { return dropCarry() }
        if let carry, carry.baseAddress! <= window.baseAddress!,
            window.baseAddress! < carry.baseAddress! + carry.count
        {
            return
        }
        window = joined(window, UnsafeRawBufferPointer(start: nil, count: 0))
    }

    private func dropCarry() {
        carry?.deallocate()
        carry = nil
    }

    /// Copies both parts into a new carry buffer. Bounded: the parser leaves less than a line, and a pipelining peer no
    /// more than one scratch buffer.
    private func joined(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: first.count + second.count, alignment: 1)
        buffer.copyMemory(from: first)
        UnsafeMutableRawBufferPointer(rebasing: buffer[first.count...]).copyMemory(from: second)
        carry?.deallocate()
        carry = buffer
        return UnsafeRawBufferPointer(buffer)
    }

    /// Receives what is there without waiting. Returns whether there was anything, the end of the stream included.
    package func tryFill() throws -> Bool {
        if socket.isClosed { throw NetworkError.closed("read") }
        let (result, received) = tryReceive()
        guard try note(result) else { return false }
        accept(received)
        return true
    }

    /// As ``tryFill()``, but receives the body, of which more is to come, behind what is in `body`.
    func tryFill(_ body: inout [UInt8]) throws -> Bool {
        if socket.isClosed { throw NetworkError.closed("read") }
        assert(window.isEmpty && bodyRest > 0)
        let received = body.appendInPlace(upTo: bodyRest) { tryReceive(into: $0) }
        guard try note(received) else { return false }
        parser.skipBody(received)
        return true
    }

    /// Accounts for what was received. Returns whether there was anything, the end of the stream included.
    @inline(__always)
    private func note(_ received: Int) throws -> Bool {
        if received == -Int(EAGAIN) { return false }
        if received < 0 { throw failure(received, "read") }
        if received == 0 { sawEnd = true }
        bytesReceived += received
        return true
    }

    // MARK: Sending

    /// Sends what is in `output`, with one system call. Returns false if the kernel did not take all of it now:
    /// ``flush(timeout:deadline:)`` sends the rest.
    @inline(__always)
    package func tryFlush() -> Bool {
        guard !output.isEmpty else { return true }
        // Mutable, so that the array need not be retained meanwhile.
        let sent = output.withUnsafeMutableBytes { trySend(UnsafeRawBufferPointer($0)) }
        if sent == output.count {
            output.removeAll(keepingCapacity: true)
            return true
        }
        if sent > 0 { output.removeSubrange(..<sent) }
        return false
    }

    /// Takes a buffer for what is to be sent, if there is none.
    package func prepareOutput() {
        if output.capacity == 0, let spareOutputs { output = spareOutputs.take() }
    }

    /// Has `output` sent at the end of the turn. What the kernel does not take then is sent by ``fill(timeout:deadline:)``,
    /// which is what comes next.
    @inline(__always)
    package func flushLater() { loop.writeLater(self) }

    /// Takes back what was to be sent at the end of the turn, if that has not come.
    package func takeBackWrite() -> Bool {
        guard isWritePending else { return false }
        loop.cancelWrite(self)
        output.removeAll(keepingCapacity: true)
        return true
    }

    override package func writePending() {
        if tryFlush() {
            spareOutputs?.giveBack(&output)
            return
        }
        // The peer may have said why it takes no more; the reader finds out, or sends the rest.
        socket.expectInput()
    }

    /// Whether part of the output is still to be sent, and will not be at the end of the turn.
    package var hasUnsent: Bool { !output.isEmpty && !isWritePending }

    /// Sends what the kernel did not take at the end of the turn, until something arrives.
    private func sendUnsent(until deadline: LoopInstant) async throws {
        let sent = output.withUnsafeBytes { trySend($0) }
        if sent > 0 { return output.removeSubrange(..<sent) }
        guard sent == -Int(EAGAIN) else { throw failure(sent, "write") }
        socket.readabilityWakesWriter = true
        defer { socket.readabilityWakesWriter = false }
        try await socket.waitWritable(until: deadline, cancellably: waitsCancellably).check("write")
    }

    /// Sends what is in `output`, waiting while the peer does not take it: until `deadline`, and no longer than `timeout`
    /// nanoseconds at a time. After an error the connection cannot be written to any more.
    package func flush(timeout: Int64, deadline: LoopInstant = .distantFuture) async throws {
        // What was to go out at the end of the turn goes out here, and not a second time in the middle of this.
        loop.cancelWrite(self)
        if isCutOff { throw NetworkError.closed("write") }
        if tryFlush() { return }
        try await sendRest(of: output, timeout, deadline)
        output.removeAll(keepingCapacity: true)
    }

    /// Sends an array without copying it, after what is in `output`; as ``flush(timeout:deadline:)`` does.
    package func send(_ bytes: [UInt8], timeout: Int64, deadline: LoopInstant = .distantFuture) async throws {
        try await flush(timeout: timeout, deadline: deadline)
        if !bytes.isEmpty { try await sendRest(of: bytes, timeout, deadline) }
    }

    private func sendRest(of bytes: [UInt8], _ timeout: Int64, _ deadline: LoopInstant) async throws {
        var sent = 0
        // Unless this ends well, nobody knows how much of it was sent, and whatever followed would be out of place.
        isCutOff = true
        defer { isCutOff = sent < bytes.count }
        while true {
            if socket.isClosed { throw NetworkError.closed("write") }
            if deadline <= loop.now { throw NetworkError.timedOut("write") }
            if let inputStopsSending, try inputStopsSending() { throw SendingStopped() }
            let result = bytes.withUnsafeBytes { trySend(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
            if result >= 0 {
                sent += result
                if sent == bytes.count { return }
            }
            if result >= 0 {
                if !loop.spendBudget() { await Task.yield() }
            } else if result == -Int(EAGAIN) {
                let until = min(loop.now.advanced(nanoseconds: timeout), deadline)
                try await socket.waitWritable(until: until, cancellably: waitsCancellably).check("write")
            } else {
                throw failure(result, "write")
            }
        }
    }

    /// Looked at before each piece of a long body is sent, and whenever something arrives while it waits: whether the rest
    /// need not be sent, because the peer has answered already.
    package var inputStopsSending: (() throws -> Bool)? {
        didSet { socket.readabilityWakesWriter = inputStopsSending != nil }
    }

    /// Thrown by what sends once ``inputStopsSending`` has said so.
    package struct SendingStopped: Error {}

    /// Takes up to `maximum` bytes that were received and not parsed: of another protocol, they are as good as any.
    package func takeUnparsed(upTo maximum: Int) -> [UInt8] {
        let count = min(maximum, window.count)
        defer { window = UnsafeRawBufferPointer(rebasing: window[count...]) }
        return Array(window[..<count])
    }

    /// Drops what was received and not parsed.
    package func discardUnparsed() {
        window = UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// Ends the sending direction: the peer reads an end of stream and may still answer.
    package func finishWriting() {
        tls?.sendCloseNotify()
        socket.finishWriting()
    }

    /// Closes so that the peer sees a failure, and not an end.
    package func abort() {
        socket.discardUnsentOnClose()
        socket.close()
    }

    /// Ends the sending direction once the peer has been told so in terms of TLS: without that farewell it could not tell the
    /// end from a connection that was cut.
    package func finishWriting(until deadline: LoopInstant) async throws {
        tls?.sendCloseNotify()
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        while let tls, case let result = tls.trySend(nothing), result < 0 {
            guard result == -Int(EAGAIN) else { throw failure(result, "write") }
            try await socket.waitWritable(until: deadline, cancellably: waitsCancellably).check("write")
            if socket.isClosed { throw NetworkError.closed("write") }
        }
        socket.finishWriting()
    }

    package func close() {
        discardUnparsed()
        loop.cancelWrite(self)
        tls?.sendCloseNotify()
        socket.close()
    }
}
