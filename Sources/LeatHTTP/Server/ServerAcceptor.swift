import Glibc
import LeatLoop
import LeatNet
import LeatReactor

/// Accepts a server's connections when the listener becomes readable, without a task.
///
/// It pauses while the server has as many connections as it may. It pauses for a moment when the process or the machine has no
/// descriptor or no memory left, and no connection has been idle for long enough to be closed in its place. Confined to its loop.
final class ServerAcceptor: @unchecked Sendable {
    private unowned(unsafe) let server: HTTPServer
    private let listener: TCPListener
    private let tls: TLSContext?
    private let maximum: Int
    private var isOpen = false
    /// Whether it waits for a connection to end.
    private var isFull = false
    private var accepted = 0
    private var resumption: ScheduledWork?

    /// How many connections are accepted before others have their turn.
    private static var batch: Int { 64 }
    private static var pause: Duration { .milliseconds(50) }

    init(_ server: HTTPServer, _ listener: TCPListener, tls: TLSContext?) {
        self.server = server
        self.listener = listener
        self.tls = tls
        maximum = server.configuration.maximumConnections
    }

    deinit { resumption?.cancel() }

    func open() {
        isOpen = true
        listener.whenReadable = { [unowned self] in acceptSome() }
        acceptSome()
    }

    /// Accepts what is in the backlog, and stops listening.
    func close() {
        listener.expectConnection()
        while isOpen, !isFull, acceptNext() {}
        isOpen = false
        resumption?.cancel()
        listener.whenReadable = nil
        listener.close()
    }

    /// A connection has ended.
    func placeIsFree() {
        guard isFull else { return }
        isFull = false
        resume(after: .zero)
    }

    private func acceptSome() {
        var left = Self.batch
        while isOpen, left > 0 {
            guard acceptNext() else { return }
            left -= 1
        }
        if isOpen { resume(after: .zero) }
    }

    private func resume(after delay: Duration) {
        resumption?.cancel()
        resumption = server.loop.schedule(after: delay) { [weak self] in self?.acceptSome() }
    }

    /// Accepts one connection. Returns false if there is none, or if it has to pause.
    private func acceptNext() -> Bool {
        if server.peers.count >= maximum {
            isFull = true
            return false
        }
        let (result, address) = listener.tryAccept()
        if result >= 0 { return serve(Int32(result), address) }
        switch Int32(-result) {
        case EAGAIN: return false
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: return listener.hasConnection && makeRoom()
        case EBADF, EINVAL, ENOTSOCK:
            server.acceptFailed(NetworkError(code: Int32(-result), operation: "accept on \(listener.localAddress)"))
            return false
        // The connection failed before it was accepted (ECONNABORTED, EPROTO, network errors).
        default: return true
        }
    }

    private func serve(_ descriptor: Int32, _ address: SocketAddress?) -> Bool {
        do {
            let peer = try ServerPeer(
                descriptor: descriptor,
                address: address ?? .any(port: 0),
                number: accepted + 1,
                tls: tls,
                loop: server.loop,
                runners: server.runners
            )
            accepted += 1
            if !listener.localAddress.isUnix { peer.disableNagle() }
            server.connectionBegins(peer)
            return true
        } catch {
            // epoll cannot watch it (its limit of watches, no memory), or OpenSSL has no memory. It is closed already.
            server.connectionWasRefused()
            return makeRoom()
        }
    }

    /// Closes an idle connection, or pauses. Returns whether it is worth trying again at once.
    private func makeRoom() -> Bool {
        if server.peers.closeLongestIdle() { return true }
        resume(after: Self.pause)
        return false
    }
}
