import CLinux
import Glibc
import LeatLoop
import LeatReactor

/// A listening TCP socket, or a Unix one.
///
/// Running out of descriptors (EMFILE, ENFILE), of kernel memory or of epoll watches (ENOSPC, epoll(7)) does not end it and
/// does not make it spin: it pauses for 50 ms and goes on, while the connections wait in the backlog. A connection that was
/// accepted and cannot be watched is closed; there is one a pause at most. Connections that died in the backlog are skipped.
public final class TCPListener: @unchecked Sendable {
    private let socket: ListeningSocket
    /// The file of a Unix socket that has a path.
    private let file: UnixSocketFile?
    /// Where it listens; the port is the real one, also after binding to port 0.
    public let localAddress: SocketAddress

    /// Held for the whole of an accept, which may pause or yield and then waits in no spot.
    private var isAccepting = false

    /// How long an accept pauses when the process or the machine has run out of something.
    private static let exhaustionPause = Duration.milliseconds(50)

    private init(socket: ListeningSocket, file: UnixSocketFile?, localAddress: SocketAddress) {
        self.socket = socket
        self.file = file
        self.localAddress = localAddress
    }

    deinit {
        let (socket, file) = (socket, file)
        socket.loop.execute {
            file?.remove()
            socket.close()
        }
    }

    /// Listens at `address` (bind(2), listen(2)) with SO_REUSEADDR. Call it on the loop.
    ///
    /// `backlog` bounds the connections that wait to be accepted (default 4096; the kernel caps it at
    /// `net.core.somaxconn`). With `reusePort`, several processes may listen at one address and the kernel spreads the
    /// connections over them (SO_REUSEPORT). Throws ``NetworkError``, `.addressInUse` among others.
    ///
    /// The file of a Unix socket gets its permissions from the process's umask(2), and is removed when the listener is closed.
    /// One that a process has left behind is replaced if nobody listens there any more; do not begin to listen at the same
    /// path twice at the same moment. Any other file is an error.
    public static func bind(to address: SocketAddress, backlog: Int = 4096, reusePort: Bool = false) throws
        -> TCPListener
    {
        let operation = "listen on \(address)"
        do {
            let socket = try ListeningSocket(
                descriptor: try Socket.openDescriptor(family: address.family),
                loop: .current,
                isReady: false
            )
            if !address.isUnix {
                socket.setOption(SOL_SOCKET, SO_REUSEADDR, 1)
                if reusePort { socket.setOption(SOL_SOCKET, SO_REUSEPORT, 1) }
            }
            var bound = address.withSockaddr { Glibc.bind(socket.descriptor, $0, $1) }
            if bound != 0, errno == EADDRINUSE, UnixSocketFile.removeStale(at: address) {
                bound = address.withSockaddr { Glibc.bind(socket.descriptor, $0, $1) }
            }
            guard bound == 0, Glibc.listen(socket.descriptor, Int32(clamping: backlog)) == 0 else {
                let code = errno
                socket.close()
                throw NetworkError(code: code, operation: operation)
            }
            let file = address.unixPath.flatMap(UnixSocketFile.init)
            return TCPListener(socket: socket, file: file, localAddress: socket.localAddress ?? address)
        } catch let error as SystemError {
            throw NetworkError(code: error.code, operation: operation)
        }
    }

    /// Waits for the next connection. TCP_NODELAY is set on it.
    /// Throws ``NetworkError`` of kind `.closed` after ``close()`` and of kind `.busy` while another task accepts, or
    /// `CancellationError`.
    public func accept() async throws -> TCPStream {
        TCPStream(try await acceptSocket())
    }

    package func acceptSocket() async throws -> Socket {
        socket.loop.preconditionOnLoop()
        if isAccepting { throw NetworkError.busy("accept") }
        if Task.isCancelled { throw CancellationError() }
        isAccepting = true
        defer { isAccepting = false }
        while true {
            if socket.isClosed { throw NetworkError.closed("accept") }
            let accepted = socket.tryAccept()
            if accepted.result >= 0 {
                guard let connection = adopt(Int32(accepted.result)) else {
                    try await sleep(for: Self.exhaustionPause)
                    continue
                }
                if !socket.loop.spendBudget() { await Task.yield() }
                return connection
            }
            try await recover(from: Int32(-accepted.result))
        }
    }

    /// Nil if the kernel does not watch the connection (ENOSPC, ENOMEM): it is closed.
    private func adopt(_ descriptor: Int32) -> Socket? {
        guard let connection = try? Socket(descriptor: descriptor, loop: socket.loop, isReady: true) else { return nil }
        if !localAddress.isUnix { connection.disableNagle() }
        return connection
    }

    private func recover(from code: Int32) async throws {
        switch code {
        case EAGAIN:
            let reason = WaitReason.accept(descriptor: socket.descriptor)
            if await socket.waitReadable(reason, cancellably: true) == .cancelled { throw CancellationError() }
        case EMFILE, ENFILE, ENOBUFS, ENOMEM:
            try await sleep(for: Self.exhaustionPause)
        case EBADF, EINVAL, ENOTSOCK:
            throw NetworkError(code: code, operation: "accept on \(localAddress)")
        default:
            // The connection failed before it was accepted (ECONNABORTED, EPROTO, network errors): on to the next.
            break
        }
    }

    /// Stops listening. A task that waits in ``accept()`` gets ``NetworkError`` of kind `.closed`. Can be called twice.
    public func close() {
        socket.loop.preconditionOnLoop()
        // Before the socket is closed: nobody then finds a file at which nobody listens.
        file?.remove()
        socket.close()
    }

    /// The connections as they come, until the listener is closed.
    public var connections: Connections { Connections(listener: self) }

    /// An asynchronous sequence of accepted connections; see ``TCPListener/connections``.
    public struct Connections: AsyncSequence, AsyncIteratorProtocol {
        fileprivate let listener: TCPListener

        public func makeAsyncIterator() -> Connections { self }

        public mutating func next() async throws -> TCPStream? {
            do {
                return try await listener.accept()
            } catch let error as NetworkError where error.kind == .closed {
                return nil
            }
        }
    }
}

// MARK: - Accepting without a task

extension TCPListener {
    /// Called on the loop when there may be a connection to accept, instead of the task that waits in ``accept()``. Edge-triggered:
    /// whoever is called accepts until ``tryAccept()`` says -EAGAIN, or comes back later.
    package var whenReadable: (() -> Void)? {
        get { socket.whenReadable }
        set { socket.whenReadable = newValue }
    }

    /// Has the next ``tryAccept()`` ask the kernel, whatever epoll said.
    package func expectConnection() { socket.expectInput() }

    /// accept4(2): a descriptor or `-errno`, and the address of the peer.
    package func tryAccept() -> (result: Int, address: SocketAddress?) { socket.tryAccept() }

    /// Whether a connection waits to be accepted (poll(2)). accept4(2) does not tell while there is no descriptor left: it looks
    /// for one first.
    package var hasConnection: Bool {
        var entry = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    package var descriptor: Int32 { socket.descriptor }
}

private final class ListeningSocket: Socket, @unchecked Sendable {
    @exclusivity(unchecked) var whenReadable: (() -> Void)?

    override func becameReady(_ readiness: Readiness) {
        super.becameReady(readiness)
        if readiness.contains(.readable) { whenReadable?() }
    }
}
