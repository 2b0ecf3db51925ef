import Glibc
import LeatLoop
import LeatNet
import LeatReactor

/// All connections of a server: what each waits for, since when, and what happens when its time is over.
///
/// ```
///                  ┌────────── request ──────────┐
///   accept ─► head ┤                             ├─► idle ─► close
///                  └─► busy (a runner has it) ◄──┘     │
///                         │        ▲                   │ bytes
///                         ▼        │                   ▼
///                      blocked (output that the      head
///                      client does not take)
///                         │
///                         ▼
///                     lingering ─► close
/// ```
///
/// Each open peer is in one of the lists. While a runner works on a peer, the peer stays in the list in which it was. It moves to
/// the active ones when its answer has to wait, or when its time is over meanwhile. So a request that is answered at once moves
/// its peer once, not twice.
final class ServerPeers {
    private unowned(unsafe) let server: HTTPServer
    private let loop: EventLoop
    private let buffers: IOBuffers
    private let exchanges: ExchangePool
    /// Peers with a request under way that may take long. They have no deadline.
    private let active: PeerList
    /// Peers whose head is not complete, new peers, and peers whose TLS handshake is going on.
    private let head: PeerList
    /// Peers with nothing received and nothing to send.
    private let idle: PeerList
    /// Peers whose client does not take the output.
    private let blocked: PeerList
    /// Peers that are about to be closed.
    private let lingering: PeerList
    @exclusivity(unchecked) private(set) var count = 0

    /// How long a connection waits for the client to end it, after its last response.
    private static var lingerTime: Int64 { 1_000_000_000 }
    /// How many bytes are dropped of what arrives in that time.
    private static var lingerLimit: Int { 4 << 20 }
    /// How many reads are dropped before others have their turn.
    private static var dropsInARow: Int { 16 }

    /// After so many nanoseconds an idle connection is taken for unused.
    private static var unusedTime: Int64 { 100_000_000 }

    init(_ server: HTTPServer, _ exchanges: ExchangePool) {
        self.server = server
        self.exchanges = exchanges
        loop = server.loop
        buffers = .of(server.loop)
        let reactor = server.loop.reactor
        active = PeerList(timeout: .max, reactor: reactor)
        head = PeerList(timeout: server.configuration.headTimeout.clampedNanoseconds, reactor: reactor)
        idle = PeerList(timeout: server.configuration.idleTimeout.clampedNanoseconds, reactor: reactor)
        blocked = PeerList(timeout: server.writeTimeout, reactor: reactor)
        lingering = PeerList(timeout: Self.lingerTime, reactor: reactor)
        head.expire = { [unowned(unsafe) self] in headIsLate($0) }
        idle.expire = { [unowned(unsafe) self] in
            unlessBusy($0) { close($0, self.server.isShuttingDown ? .shutdown : .idle) }
        }
        blocked.expire = { [unowned(unsafe) self] in abort($0, .timedOut) }
        lingering.expire = { [unowned(unsafe) self] in close($0, .completed) }
    }

    deinit {
        assert(count == 0, "a server ends after its connections")
        for list in [active, head, idle, blocked, lingering] { list.disarm() }
    }

    /// The number of idle connections. O(n): the list can have peers with a request under way, which are left out.
    var idleCount: Int {
        var count = 0
        idle.forEach { if !$0.isBusy, !$0.isQueued { count += 1 } }
        return count
    }

    // MARK: The beginning

    /// Takes over a new peer.
    func add(_ peer: ServerPeer) {
        _ = Unmanaged.passRetained(peer)
        count += 1
        head.append(peer, at: loop.clock.now)
    }

    // MARK: Between requests

    /// Called when a runner lets go of a peer. No handler works on the peer, and everything that has arrived is parsed.
    @inline(__always)
    func settle(_ peer: ServerPeer, _ exchange: ServerExchange) {
        peer.isBusy = false
        if peer.isClosed { return close(peer, exchange.closeReason) }
        // What comes next is decided when the output is flushed.
        if !exchange.isFlushPending { rest(peer, exchange, at: loop.clock.now) }
    }

    /// Puts a peer where it belongs. No runner works on the peer, and its output is not about to be flushed.
    @inline(__always)
    func rest(_ peer: ServerPeer, _ exchange: ServerExchange, at now: LoopInstant) {
        if exchange.isBlocked {
            outputDidBlock(peer, hasSent: false)
            return
        }
        if exchange.endsAfterFlush { return linger(peer, exchange) }
        if exchange.waitsForFlush {
            exchange.waitsForFlush = false
            return server.runners.enqueue(peer)
        }
        if exchange.isBetweenRequests {
            exchanges.detach(exchange, from: peer)
            if peer.isLate { peer.isLate = false }
            move(peer, to: idle, at: now)
        } else {
            awaitHead(peer, exchange, at: now)
        }
    }

    /// Called when everything that was buffered is sent.
    @inline(__always)
    func outputDidFlush(_ peer: ServerPeer, _ exchange: ServerExchange) {
        if peer.isClosed { return }
        if peer.isBusy || peer.isQueued {
            if isIn(blocked, peer) { move(peer, to: active, at: loop.clock.now) }
        } else {
            rest(peer, exchange, at: buffers.flushTime)
        }
    }

    /// Called when the client does not take everything now. Its time begins.
    func outputDidBlock(_ peer: ServerPeer, hasSent: Bool) {
        if !peer.isClosed, hasSent || !isIn(blocked, peer) { move(peer, to: blocked, at: loop.clock.now) }
    }

    /// Called when a request may take long, because of its handler or its client.
    func becomeActive(_ peer: ServerPeer) {
        if !peer.isClosed, !isIn(active, peer) { move(peer, to: active, at: loop.clock.now) }
    }

    /// Called at the end of the TLS handshake. The first head has its full time from then on.
    func handshakeDidEnd(_ peer: ServerPeer) {
        peer.phase = .open
        peer.isLate = false
        move(peer, to: server.isShuttingDown ? idle : head, at: loop.clock.now)
    }

    @inline(__always)
    private func move(_ peer: ServerPeer, to list: PeerList, at now: LoopInstant) {
        peer.list?._withUnsafeGuaranteedRef { $0.remove(peer) }
        list.append(peer, at: now)
    }

    @inline(__always)
    private func isIn(_ list: PeerList, _ peer: ServerPeer) -> Bool {
        peer.list?.toOpaque() == Unmanaged.passUnretained(list).toOpaque()
    }

    // MARK: Deadlines

    /// Ends a peer whose time is over, unless a runner works on it or is about to.
    private func unlessBusy(_ peer: ServerPeer, _ end: (ServerPeer) -> Void) {
        if peer.isBusy || peer.isQueued { move(peer, to: active, at: loop.clock.now) } else { end(peer) }
    }

    /// Waits for the rest of a head. Its clock begins with its first byte, and not anew with each.
    private func awaitHead(_ peer: ServerPeer, _ exchange: ServerExchange, at now: LoopInstant) {
        if exchange.hasServed {
            peer.isLate = false
        } else if peer.isLate {
            return headTimedOut(peer)
        } else if isIn(head, peer) {
            return
        }
        exchange.hasServed = false
        move(peer, to: head, at: now)
    }

    /// The time for a head is over. What has arrived in the last moment is looked at first.
    private func headIsLate(_ peer: ServerPeer) {
        if peer.isQueued { peer.isLate = true }
        unlessBusy(peer) { headTimedOut($0) }
    }

    /// TLS waits for more. It has no more time than it had.
    func handshakeWaits(_ peer: ServerPeer) {
        if peer.isLate { close(peer, .timedOut) }
    }

    private func headTimedOut(_ peer: ServerPeer) {
        guard let exchange = peer.exchange?.takeUnretainedValue(), !exchange.isBetweenMessages else {
            return close(peer, .timedOut)
        }
        move(peer, to: active, at: loop.clock.now)
        exchange.refuse(.requestTimeout)
    }

    // MARK: The end

    /// Ends the sending direction, and closes when the client has ended its own. To close with unread bytes in the kernel's
    /// buffer would reset the connection, and the client could lose the last response (RFC 9112 §9.6).
    private func linger(_ peer: ServerPeer, _ exchange: ServerExchange) {
        let (sawEnd, isDoubtful) = (exchange.sawEnd, exchange.sendError != 0)
        exchange.discardUnparsed()
        if sawEnd || isDoubtful || exchange.isInUse { return close(peer, exchange.closeReason) }
        exchange.finishWriting()
        exchanges.abandon(exchange, of: peer)
        peer.phase = .lingering
        move(peer, to: lingering, at: loop.clock.now)
        if peer.mayBeReadable { server.runners.enqueue(peer) }
    }

    /// Drops what a lingering peer has sent.
    func drop(_ peer: ServerPeer) {
        let room = buffers.scratchForDropping()
        for _ in 0..<Self.dropsInARow {
            let result = if let tls = peer.tls { tls.tryReceive(into: room) } else { peer.tryReceive(into: room) }
            if result == -Int(EAGAIN) { return }
            peer.dropped &+= Int32(clamping: result)
            if result <= 0 || peer.dropped > Self.lingerLimit { return close(peer, .completed) }
        }
        server.runners.enqueue(peer)
    }

    /// Closes a peer, whatever goes on in it. A handler that works on it finds out when it next uses it.
    func close(_ peer: ServerPeer, _ reason: HTTPServerEvent.CloseReason) {
        // An upgraded stream can close the socket without the server. The peer stays in its list until it ends here.
        guard let list = peer.list else { return releaseIfUnused(peer) }
        list._withUnsafeGuaranteedRef { $0.remove(peer) }
        count -= 1
        if let exchange = peer.exchange {
            exchange._withUnsafeGuaranteedRef { $0.close() }
        } else {
            peer.tls?.sendCloseNotify()
            peer.close()
        }
        server.connectionDidClose(peer, reason)
        releaseIfUnused(peer)
    }

    /// As ``close(_:_:)``, but resets the connection, so that the client sees a failure.
    func abort(_ peer: ServerPeer, _ reason: HTTPServerEvent.CloseReason) {
        if !peer.isClosed { peer.discardUnsentOnClose() }
        peer.exchange?._withUnsafeGuaranteedRef { $0.isCutOff = true }
        close(peer, reason)
    }

    /// Releases a peer if it is closed and no runner works on it, or is about to.
    func releaseIfUnused(_ peer: ServerPeer) {
        guard peer.isClosed, !peer.isBusy, !peer.isQueued else { return }
        precondition(peer.list == nil, "a peer is released that is in a list")
        if let exchange = peer.exchange { exchanges.abandon(exchange.takeUnretainedValue(), of: peer) }
        peer.tls = nil
        Unmanaged.passUnretained(peer).release()
    }

    /// Closes the connection that has been idle longest, unless it has just been used: a request may be on its way on that one.
    /// Returns whether one was closed.
    func closeLongestIdle() -> Bool {
        let used = loop.clock.now.advanced(nanoseconds: idle.timeout &- Self.unusedTime)
        var found: ServerPeer?
        var following = idle.first
        while found == nil, let peer = following?.takeUnretainedValue() {
            following = peer.next
            if peer.deadline > used { break }
            if !peer.isBusy, !peer.isQueued { found = peer }
        }
        guard let found else { return false }
        close(found, .idle)
        return true
    }

    /// Called when the shutdown begins. Idle peers get `grace` nanoseconds for a request that is on its way.
    func beginShutdown(grace: Int64) {
        idle.setTimeout(grace, at: loop.clock.now)
        // A connection that has not begun its first head is as good as idle.
        head.forEach { peer in
            if peer.exchange == nil, !peer.isQueued {
                move(peer, to: idle, at: loop.clock.now)
            }
        }
    }

    /// Closes all peers. Returns how many were open.
    func closeAll() -> Int {
        let cut = count
        for list in [active, head, idle, blocked, lingering] {
            list.forEach { peer in
                let isUntilClose = peer.exchange?._withUnsafeGuaranteedRef { $0.isStreamingUntilClose } ?? false
                if isUntilClose { abort(peer, .shutdown) } else { close(peer, .shutdown) }
            }
        }
        return cut
    }
}
