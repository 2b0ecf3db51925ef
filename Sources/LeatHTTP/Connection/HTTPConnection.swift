import Glibc
package import LeatLoop
package import LeatNet

/// One end of an HTTP/1.1 connection while a message is under way. Bytes come in through the parser, and go out through one
/// buffer.
///
/// Both sides use it. A client's connection has one for its whole life. A server attaches one to a peer when bytes arrive, and
/// detaches it when all of them are parsed and answered (`ServerExchange`).
///
/// Received bytes are parsed where they have landed, in the scratch buffer of the loop. When another connection is about to
/// receive, what is not parsed yet (half a header line, the next pipelined request) is copied into a block of this connection's
/// own. Confined to its loop.
package class HTTPConnection: BufferedConnection {
    package final let loop: EventLoop
    /// The socket, if it is this connection's own.
    private final var ownedSocket: Socket?
    /// The socket in use. It is the connection's own, or for a server's exchange, the peer to which the exchange is attached. The
    /// server keeps that peer alive until it has detached the exchange.
    @exclusivity(unchecked) final var socketReference: Unmanaged<Socket>
    /// TLS, which lies between the socket and HTTP; nil without.
    @exclusivity(unchecked) package final var tls: TLSChannel?
    @exclusivity(unchecked) package final var parser: HTTPParser

    // Input; see HTTPConnection+Input.
    /// The bytes that are received and not parsed. They lie in the scratch buffer or in `carry`.
    @exclusivity(unchecked) final var window = UnsafeRawBufferPointer(start: nil, count: 0)
    @exclusivity(unchecked) final var carry: UnsafeMutableRawBufferPointer?
    /// Whether the peer has ended its side.
    @exclusivity(unchecked) package final var sawEnd = false
    /// Bytes received since the connection was made, or attached.
    @exclusivity(unchecked) package final var bytesReceived = 0

    // Output; see HTTPConnection+Output.
    /// Bytes to be sent. ``flushLater()`` has them sent at the end of the turn, ``flush(timeout:deadline:)`` at once.
    @exclusivity(unchecked) package final var output: OutputBuffer
    /// Bytes sent since the connection was made, or attached.
    @exclusivity(unchecked) package final var bytesSent = 0
    /// Whether sending has failed in the middle of something. Nobody knows how much of it has arrived.
    @exclusivity(unchecked) final var isCutOff = false
    /// Whether the socket flushes this connection when it is writable again.
    @exclusivity(unchecked) final var awaitsWritable = false
    /// The `errno` with which sending failed at the end of a turn; 0 if it did not. The next one to write is told.
    @exclusivity(unchecked) final var sendError = 0
    /// Says whether the rest need not be sent, because the peer has answered already. It is asked before each piece of a long
    /// body, and whenever something arrives while the sender waits.
    @exclusivity(unchecked) package final var inputStopsSending: (() throws -> Bool)? {
        didSet { socket.readabilityWakesWriter = inputStopsSending != nil }
    }

    /// A connection with a socket of its own.
    package convenience init(socket: Socket, tls: TLSChannel? = nil, role: HTTPParser.Role, limits: HTTPLimits) {
        self.init(socket, isOwned: true, tls, role, limits)
    }

    /// - Parameter isOwned: Whether it keeps the socket alive; otherwise somebody else does, for as long as it is in use.
    init(_ socket: Socket, isOwned: Bool, _ tls: TLSChannel?, _ role: HTTPParser.Role, _ limits: HTTPLimits) {
        loop = socket.loop
        ownedSocket = isOwned ? socket : nil
        socketReference = .passUnretained(socket)
        self.tls = tls
        parser = HTTPParser(role: role, limits: limits)
        output = OutputBuffer(.of(loop), keepsSmallBlock: !isOwned)
        super.init(loop: loop)
    }

    deinit {
        if ownedSocket != nil { unblock() }
        carry?.deallocate()
    }

    package final var socket: Socket {
        @inline(__always) get { socketReference._withUnsafeGuaranteedRef { $0 } }
    }

    /// Keeps the socket alive from now on, even if the server releases the peer: somebody may still use this connection.
    final func retainSocket() { ownedSocket = socket }

    // MARK: The end

    /// Gives back the memory that an idle connection does not need.
    package final func releaseMemory() {
        assert(window.isEmpty && output.isEmpty, "a connection with bytes in it is not idle")
        dropCarry()
    }

    /// Resets the connection, so that the peer sees a failure and not an end.
    package final func abort() {
        socket.discardUnsentOnClose()
        socket.close()
    }

    package final func close() {
        discardUnparsed()
        buffers.cancelFlush(self)
        // Of what is cut off nobody may think that this is its end.
        if let tls, !isCutOff, sendError == 0 { tls.sendCloseNotify() }
        socket.close()
    }

    // MARK: For subclasses

    /// Called when everything that was buffered has been sent without waiting.
    func outputDidFlush() {}

    /// Called when a task takes the sending over. It waits until the kernel has taken everything, and counts the time.
    func outputIsTakenOver() {}

    /// Called when the kernel took some of the output, or nothing. The rest is flushed when the socket is writable again.
    func outputDidBlock() {}

    /// Called when sending fails outside of a task. The peer may have said why, so the reader is to look.
    func outputDidFail() { socket.expectInput() }

    override package final func flushPending() {
        switch tryFlush() {
        case .flushed: flushed()
        case .blocked: outputDidBlock()
        case .failed(let result):
            sendError = -result
            outputDidFail()
        }
    }

    override package final func leaveScratch() {
        guard !window.isEmpty else { return dropCarry() }
        if let carry, carry.baseAddress! <= window.baseAddress!,
            window.baseAddress! < carry.baseAddress! + carry.count
        {
            return
        }
        window = joined(window, UnsafeRawBufferPointer(start: nil, count: 0))
    }
}
