import LeatLoop
import LeatReactor

/// A TCP connection (tcp(7)), or one of a Unix socket (unix(7)): bytes in order, both ways.
///
/// One task may read while another writes; two in the same direction get ``NetworkError`` of kind `.busy`. Reading asks
/// the kernel only when the caller asks, and writing returns when the kernel has taken everything, so neither side can
/// make the other's memory grow. A read or write that is cancelled throws `CancellationError` at once; no byte is lost by
/// a cancelled read, and a cancelled write may have sent a part.
///
/// Confined to its loop: using it elsewhere traps. The descriptor is closed by ``close()``, or with the last reference.
public final class TCPStream: @unchecked Sendable {
    private let socket: Socket

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
        guard !socket.readSpot.isOccupied else { throw NetworkError.busy("read") }
        if Task.isCancelled { throw CancellationError() }
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

    /// Writes all of `bytes`; returns when the kernel has them. Throws ``NetworkError`` or `CancellationError`.
    public func write(_ bytes: UnsafeRawBufferPointer) async throws {
        socket.loop.preconditionOnLoop()
        guard !socket.writeSpot.isOccupied else { throw NetworkError.busy("write") }
        if Task.isCancelled { throw CancellationError() }
        try await socket.sendAll(bytes, cancellably: true)
    }

    /// Writes all of `bytes`; returns when the kernel has them. Throws ``NetworkError`` or `CancellationError`.
    public func write(_ bytes: [UInt8]) async throws {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        try await write(UnsafeRawBufferPointer(copy))
    }

    /// Writes the UTF-8 of `text`.
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
