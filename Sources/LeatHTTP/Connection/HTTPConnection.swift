import Glibc
package import LeatLoop
package import LeatNet
package import LeatReactor

/// One HTTP/1.1 connection, seen from either end: bytes in through the parser, bytes out through one buffer.
///
/// Received bytes are parsed where they landed, in the loop's scratch buffer. Only what is left over when the task
/// suspends (half a header line, the next pipelined request) is copied into a buffer of this connection's own, so an idle
/// connection has none.
package final class HTTPConnection {
    package let socket: Socket
    package let loop: EventLoop
    package var parser: HTTPParser
    /// Bytes to send; ``flush(until:)`` sends them.
    package var output: [UInt8] = []

    /// Received and not yet parsed. Lies in the scratch buffer or in `carry`.
    private var window = UnsafeRawBufferPointer(start: nil, count: 0)
    private var carry: UnsafeMutableRawBufferPointer?
    /// Whether the peer has ended its side.
    package private(set) var sawEnd = false
    /// Bytes received since the connection was made.
    package private(set) var bytesReceived = 0

    package init(socket: Socket, role: HTTPParser.Role, limits: HTTPLimits) {
        self.socket = socket
        loop = socket.loop
        parser = HTTPParser(role: role, limits: limits)
    }

    deinit { carry?.deallocate() }

    /// Whether bytes wait to be parsed.
    package var hasUnparsedBytes: Bool { !window.isEmpty }

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

    /// Receives more bytes, waiting for them. Returns false at the end of the stream.
    /// Throws `NetworkError` (`.timedOut` at the deadline) or `CancellationError`.
    package func fill(until deadline: LoopInstant) async throws -> Bool {
        saveWindow()
        if !loop.spendBudget() { await Task.yield() }
        while true {
            if socket.isClosed { throw NetworkError.closed("read") }
            let count = socket.tryReceive(into: loop.scratch)
            if count > 0 {
                bytesReceived += count
                acceptScratch(count)
                return true
            }
            if count == 0 {
                sawEnd = true
                return false
            }
            guard count == -Int(EAGAIN) else { throw NetworkError(code: Int32(-count), operation: "read") }
            switch await socket.waitReadable(until: deadline) {
            case .ready: break
            case .deadline: throw NetworkError.timedOut("read")
            case .cancelled: throw CancellationError()
            }
        }
    }

    /// Like ``fill(until:)``, with a timeout for this read and a deadline for the exchange, told apart when one passes.
    package func fillOrTimeOut(readTimeout: Duration, deadline: LoopInstant) async throws -> Bool {
        do {
            return try await fill(until: min(loop.now.advanced(by: readTimeout), deadline))
        } catch let error as NetworkError where error.kind == .timedOut {
            throw deadline <= loop.now
                ? HTTPError(.timeout, "the exchange took longer than its total timeout")
                : HTTPError(.timeout, "nothing was received for \(readTimeout)")
        }
    }

    private func acceptScratch(_ count: Int) {
        let received = UnsafeRawBufferPointer(rebasing: loop.scratch[..<count])
        window = window.isEmpty ? received : joined(window, received)
    }

    /// Moves unparsed bytes out of the scratch buffer. To be called before anything that may suspend.
    package func saveWindow() {
        guard !window.isEmpty else {
            carry?.deallocate()
            carry = nil
            return
        }
        if let carry, carry.baseAddress! <= window.baseAddress!,
            window.baseAddress! < carry.baseAddress! + carry.count
        {
            return
        }
        window = joined(window, UnsafeRawBufferPointer(start: nil, count: 0))
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

    // MARK: Sending

    /// Sends what is in `output`. One system call, unless the kernel's buffer is full.
    @inline(__always)
    package func flush(until deadline: LoopInstant) async throws {
        guard !output.isEmpty else { return }
        let sent = output.withUnsafeBytes { socket.trySend($0) }
        if sent != output.count { try await sendRest(of: output, after: sent, until: deadline) }
        output.removeAll(keepingCapacity: true)
    }

    /// Sends an array without copying it, after what is in `output`.
    package func send(_ bytes: [UInt8], until deadline: LoopInstant) async throws {
        try await flush(until: deadline)
        try await sendRest(of: bytes, after: 0, until: deadline)
    }

    /// `result` is what the last attempt returned: a count, or `-errno`.
    private func sendRest(of bytes: [UInt8], after result: Int, until deadline: LoopInstant) async throws {
        var result = result
        var sent = 0
        while true {
            if result >= 0 {
                sent += result
                if sent == bytes.count { return }
                if !loop.spendBudget() {
                    saveWindow()
                    await Task.yield()
                }
            } else if result == -Int(EAGAIN) {
                saveWindow()
                switch await socket.waitWritable(until: deadline) {
                case .ready: break
                case .deadline: throw NetworkError.timedOut("write")
                case .cancelled: throw CancellationError()
                }
            } else {
                throw NetworkError(code: Int32(-result), operation: "write")
            }
            if socket.isClosed { throw NetworkError.closed("write") }
            result = bytes.withUnsafeBytes { socket.trySend(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
        }
    }

    /// Drops what was received and not parsed.
    package func discardUnparsed() {
        window = UnsafeRawBufferPointer(start: nil, count: 0)
    }

    package func close() {
        discardUnparsed()
        socket.close()
    }
}
