import LeatLoop
import LeatNet
import LeatReactor

/// One connection of a server. An idle connection is nothing else: a descriptor, what epoll last said about it, a deadline,
/// links.
///
/// It has no task, no parser and no buffer. While there are bytes to parse or to send, a ``ServerExchange`` is attached to it.
/// The server owns it until it is closed and no runner works on it any more; see ``ServerPeers``.
final class ServerPeer: Socket, @unchecked Sendable {
    enum Phase: UInt8 {
        /// The TLS handshake is going on.
        case handshaking
        case open
        /// The last response is sent. What the client still sends is dropped, so that closing does not reset the connection.
        case lingering
    }

    private let runners: Unmanaged<ServerRunners>
    /// Where the client is.
    let address: SocketAddress
    /// It refers back to this peer, so it is let go when the peer is released.
    @exclusivity(unchecked) var tls: TLSChannel?
    /// Tells the connections of a server apart.
    let number: Int
    @exclusivity(unchecked) var exchange: Unmanaged<ServerExchange>?

    /// The next peer in the queue for a runner.
    @exclusivity(unchecked) var nextReady: Unmanaged<ServerPeer>?
    // For the list that it is in.
    @exclusivity(unchecked) var list: Unmanaged<PeerList>?
    @exclusivity(unchecked) var next: Unmanaged<ServerPeer>?
    @exclusivity(unchecked) var previous: Unmanaged<ServerPeer>?
    @exclusivity(unchecked) var deadline = LoopInstant.distantFuture
    /// Bytes that were dropped while it lingered.
    @exclusivity(unchecked) var dropped: Int32 = 0
    @exclusivity(unchecked) var phase = Phase.open
    /// Whether the time for its head was over when the last bytes arrived.
    @exclusivity(unchecked) var isLate = false
    /// Whether it waits for a runner.
    @exclusivity(unchecked) var isQueued = false
    /// Whether a runner works on it.
    @exclusivity(unchecked) var isBusy = false

    /// Takes the descriptor over and registers it. If that fails, or if OpenSSL has no memory for it, the descriptor is closed.
    init(
        descriptor: Int32,
        address: SocketAddress,
        number: Int,
        tls context: TLSContext?,
        loop: EventLoop,
        runners: ServerRunners
    ) throws {
        self.address = address
        self.number = number
        self.runners = .passUnretained(runners)
        try super.init(descriptor: descriptor, loop: loop, isReady: false)
        guard let context else { return }
        do {
            tls = try TLSChannel(context, socket: self)
            phase = .handshaking
        } catch {
            close()
            throw error
        }
    }

    override func becameReady(_ readiness: Readiness) {
        super.becameReady(readiness)
        guard !isBusy, !isQueued, readiness.contains(.readable) || phase == .handshaking || mayReceive else { return }
        runners._withUnsafeGuaranteedRef { $0.enqueue(self) }
    }
}
