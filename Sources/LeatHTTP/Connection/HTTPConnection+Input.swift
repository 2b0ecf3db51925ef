import Glibc
import LeatLoop
import LeatNet
package import LeatReactor

/// Receiving and parsing.
extension HTTPConnection {
    /// How many bytes wait to be parsed.
    package final var unparsedCount: Int { window.count }
    /// Whether bytes wait to be parsed.
    @inline(__always)
    package final var hasUnparsedBytes: Bool { !window.isEmpty }

    /// Whether nothing of another message has been received. It reads single properties, since a call would copy the parser.
    @inline(__always)
    package final var isBetweenMessages: Bool {
        parser.phase == .startLine && parser.scanned == 0 && parser.interimResponses == 0 && window.isEmpty
    }

    /// What ``tryNext()`` found.
    package enum Event {
        /// A head: fetch it from the parser.
        case head
        /// A piece of body. Good until this connection is touched again or the task suspends.
        case body(UnsafeRawBufferPointer)
        /// The message is complete.
        case end
    }

    /// Parses the next event from what has been received. Returns nil if more bytes are needed.
    @inline(__always)
    package final func tryNext() throws(HTTPParseError) -> Event? {
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

    /// Receives bytes until the parser has a head; false at the end of the stream.
    package final func receiveHead(
        timeout: () -> Int64 = { .max },
        deadline: LoopInstant = .distantFuture
    ) async throws -> Bool {
        while true {
            if case .head = try tryNext() { return true }
            guard try await fill(timeout: timeout(), deadline: deadline) else { return false }
        }
    }

    /// Receives more bytes. It waits for them, until `deadline`, and no longer than `timeout` nanoseconds at a time. Returns
    /// false at the end of the stream. Throws `NetworkError` (`.timedOut`) or `CancellationError`.
    @inline(__always)
    package final func fill(timeout: Int64 = .max, deadline: LoopInstant = .distantFuture) async throws -> Bool {
        try await takeTurn(until: deadline)
        while true {
            if try tryFill() { return !sawEnd }
            try await waitForInput(timeout: timeout, deadline: deadline)
            if !loop.spendBudget() { await Task.yield() }
        }
    }

    /// Called before each fill. It lets others have their turn. It also checks the deadline: a reader that always finds something
    /// never waits, and no timer would fire for it. Bytes that have arrived before the deadline are delivered first.
    @inline(__always)
    final func takeTurn(until deadline: LoopInstant) async throws {
        if !loop.spendBudget() { await Task.yield() }
        if loop.hasPassed(deadline) { throw NetworkError.timedOut("read") }
    }

    /// Waits until it is worth trying again.
    @inline(__always)
    final func waitForInput(timeout: Int64, deadline: LoopInstant) async throws {
        let until = timeout == .max ? deadline : min(loop.clock.now.advanced(nanoseconds: timeout), deadline)
        // As ``Socket/waitReadable(_:until:cancellably:)``, written out to save a call.
        let socket = socket
        let reason = WaitReason.read(descriptor: socket.descriptor)
        let wake =
            if let now = socket.readableNow { now } else { await socket.readSpot.parkCancellably(reason, until: until) }
        try wake.check("read")
    }

    /// Receives what has arrived, without waiting. Returns whether there was anything, the end of the stream included.
    package final func tryFill() throws -> Bool {
        if socketReference._withUnsafeGuaranteedRef({ $0.isClosed }) { throw NetworkError.closed("read") }
        let received = tryFillRaw()
        if received == -Int(EAGAIN) { return false }
        if received < 0 { throw failure(received, "read") }
        return true
    }

    /// As ``tryFill()``, but answers as recv(2) does: bytes, 0 at the end of the stream, or -errno.
    @inline(__always)
    final func tryFillRaw() -> Int {
        // Without an event there is nothing to ask the kernel, and no need for the buffer.
        if tls == nil, !socketReference._withUnsafeGuaranteedRef({ $0.mayReceive }) { return -Int(EAGAIN) }
        let (result, received) = tryReceive()
        if result > 0 {
            window = window.isEmpty ? received : joined(window, received)
            bytesReceived &+= result
        } else if result == 0 {
            sawEnd = true
        }
        return result
    }

    /// As ``tryFill()``, but receives the remaining bytes of a body directly into `body` and appends them.
    final func tryFill(_ body: inout [UInt8]) throws -> Bool {
        if socket.isClosed { throw NetworkError.closed("read") }
        assert(window.isEmpty && bodyRest > 0)
        let received = body.appendInPlace(upTo: bodyRest) { tryReceive(into: $0) }
        if received == -Int(EAGAIN) { return false }
        if received < 0 { throw failure(received, "read") }
        if received == 0 { sawEnd = true }
        bytesReceived &+= received
        parser.skipBody(received)
        return true
    }

    /// What ``Socket/tryReceive(into:)`` answers, and the bytes.
    @inline(__always)
    private final func tryReceive() -> (result: Int, bytes: UnsafeRawBufferPointer) {
        if window.isEmpty { dropCarry() }
        let room = buffers.scratch(for: self)
        let result = tryReceive(into: room)
        return (result, UnsafeRawBufferPointer(start: room.baseAddress, count: max(0, result)))
    }

    @inline(__always)
    private final func tryReceive(into room: UnsafeMutableRawBufferPointer) -> Int {
        if let tls { return tls.tryReceive(into: room) }
        return socketReference._withUnsafeGuaranteedRef { $0.tryReceive(into: room) }
    }

    final func failure(_ result: Int, _ operation: String) -> any Error {
        tls?.failure ?? NetworkError(code: Int32(-result), operation: operation)
    }

    /// Whether nothing has arrived since the last message. Bytes that nobody asked for would be taken for the next response, and
    /// after the end of the stream there is none. Without an event there is nothing to ask the kernel.
    package final var isQuiet: Bool {
        guard !socket.isClosed, isBetweenMessages else { return false }
        guard socket.mayBeReadable || tls?.hasBufferedInput == true else { return true }
        return tryReceive().result == -Int(EAGAIN)
    }

    // MARK: Bytes that are not parsed

    @inline(__always)
    final func dropCarry() {
        guard let carry else { return }
        carry.deallocate()
        self.carry = nil
    }

    /// Copies both parts into a new block. Its size is bounded: the first part is less than a line, or at most one scratch buffer
    /// of pipelined requests.
    final func joined(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: first.count + second.count, alignment: 1)
        buffer.copyMemory(from: first)
        UnsafeMutableRawBufferPointer(rebasing: buffer[first.count...]).copyMemory(from: second)
        carry?.deallocate()
        carry = buffer
        return UnsafeRawBufferPointer(buffer)
    }

    /// Takes up to `maximum` bytes that were received and not parsed: they belong to another protocol.
    package final func takeUnparsed(upTo maximum: Int) -> [UInt8] {
        let count = min(maximum, window.count)
        defer { window = UnsafeRawBufferPointer(rebasing: window[count...]) }
        return Array(window[..<count])
    }

    /// Drops what was received and not parsed.
    package final func discardUnparsed() {
        window = UnsafeRawBufferPointer(start: nil, count: 0)
    }
}
