import LeatLoop
import LeatReactor

/// A TCP connection (tcp(7)), or one of a Unix socket (unix(7)): bytes in order, both ways.
///
/// One task may read while another writes; two in the same direction get ``NetworkError`` of kind `.busy`. Reading asks
/// the kernel only when the caller asks, and writing returns when the kernel has taken everything, so neither side can
/// make the other's memory grow.
///
/// A read or write that is cancelled throws `CancellationError` at once. A cancelled read loses no byte. A cancelled write may
/// have sent a part of its bytes, and so may one that fails. The peer would take what is written next for the rest of them, so
/// every later write throws ``NetworkError`` of kind `.incompleteWrite`, and sends nothing. Reading still works. ``abort()``
/// tells the peer that what it has is not all; ``close()`` and ``finishWriting()`` would look like a proper end.
///
/// Confined to its loop: using it elsewhere traps. The descriptor is closed by ``close()``, or with the last reference.
public final class TCPStream: @unchecked Sendable {
    private let socket: Socket
    // Both are held for the whole of an operation. One that has had its share of a job yields, and then waits in no spot.
    private var isReading = false
    private var isWriting = false
    /// A write has ended after a part of its bytes.
    private var isWriteIncomplete = false

    package init(_ socket: Socket) {
        self.socket = socket
    }

    deinit {
        let socket = socket
        socket.loop.execute { socket.close() }
    }

    /// Connects to an address. TCP_NODELAY is set. While the backlog of a Unix socket is full it is tried again.
    /// Throws ``NetworkError`` (`.refused`, `.unreachable`, `.timedOut` after `timeout`, …) or `CancellationError`.
    public static func connect(to address: SocketAddress, timeout: Duration = .seconds(30)) async throws -> TCPStream {
        let loop = EventLoop.current
        return TCPStream(try await Socket.connect(to: address, loop: loop, until: loop.clock.now.advanced(by: timeout)))
    }

    /// Resolves `host` and connects to the first of its addresses that answers. `timeout` is for all of it.
    /// Throws what the last address failed with.
    public static func connect(host: String, port: UInt16, timeout: Duration = .seconds(30)) async throws -> TCPStream {
        let loop = EventLoop.current
        let deadline = loop.clock.now.advanced(by: timeout)
        let addresses = try await withDeadline(deadline) { try await Resolver.resolve(host: host, port: port) }
        return TCPStream(try await Socket.connect(toFirstOf: addresses, host: host, loop: loop, until: deadline))
    }

    /// Reads what there is, at least one byte, into `buffer`; 0 is the end of the stream. Waits while there is nothing.
    /// Throws ``NetworkError`` or `CancellationError`. `buffer` must not be empty.
    public func read(into buffer: UnsafeMutableRawBufferPointer) async throws -> Int {
        precondition(!buffer.isEmpty, "a read needs room for at least one byte")
        socket.loop.preconditionOnLoop()
        if isReading { throw NetworkError.busy("read") }
        if Task.isCancelled { throw CancellationError() }
        isReading = true
        defer { isReading = false }
        return try await socket.receive(into: buffer, cancellably: true)
    }

    /// Reads what there is, up to `maximum` bytes (64 KiB by default); nil is the end of the stream.
    /// Throws ``NetworkError`` or `CancellationError`.
    public func read(upTo maximum: Int = 65536) async throws -> [UInt8]? {
        precondition(maximum > 0, "a read needs room for at least one byte")
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: maximum, alignment: 16)
        defer { buffer.deallocate() }
        let count = try await read(into: buffer)
        return count == 0 ? nil : Array(buffer[..<count])
    }

    /// Writes all of `bytes`; returns when the kernel has them. Throws ``NetworkError`` or `CancellationError`. If it had sent a
    /// part of them by then, later writes throw ``NetworkError`` of kind `.incompleteWrite`.
    public func write(_ bytes: UnsafeRawBufferPointer) async throws {
        socket.loop.preconditionOnLoop()
        if isWriting { throw NetworkError.busy("write") }
        if isWriteIncomplete, !socket.isClosed { throw NetworkError.incompleteWrite("write") }
        if Task.isCancelled { throw CancellationError() }
        isWriting = true
        defer { isWriting = false }
        var sent = 0
        do {
            try await socket.sendAll(bytes, sent: &sent, cancellably: true)
        } catch {
            if sent > 0 { isWriteIncomplete = true }
            throw error
        }
    }

    /// Writes all of `bytes`, as the write of a buffer does.
    public func write(_ bytes: [UInt8]) async throws {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        try await write(UnsafeRawBufferPointer(copy))
    }

    /// Writes the UTF-8 of `text`, as the write of a buffer does.
    public func write(_ text: String) async throws {
        try await write(Array(text.utf8))
    }

    /// Ends the sending direction (shutdown(2)): the peer reads an end of stream and may still answer.
    public func finishWriting() {
        socket.loop.preconditionOnLoop()
        socket.finishWriting()
    }

    /// Closes the connection. Waiting tasks get ``NetworkError`` of kind `.closed`. Can be called twice.
    public func close() {
        socket.loop.preconditionOnLoop()
        socket.close()
    }

    /// Closes the connection at once and drops what the kernel has not sent: the peer reads a reset (SO_LINGER with a time
    /// of zero, socket(7)). For a peer that has to notice that something went wrong.
    public func abort() {
        socket.loop.preconditionOnLoop()
        if !socket.isClosed { socket.discardUnsentOnClose() }
        socket.close()
    }

    public var isClosed: Bool { socket.isClosed }
    /// This end's address; nil once closed.
    public var localAddress: SocketAddress? { socket.isClosed ? nil : socket.localAddress }
    /// The peer's address; nil once closed.
    public var remoteAddress: SocketAddress? { socket.isClosed ? nil : socket.remoteAddress }
}
