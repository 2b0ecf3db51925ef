import Glibc
import LeatLoop
import LeatNet
import LeatReactor

/// All connections of a server: who waits for what, since when, and what becomes of it then.
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
/// Each open peer is in one of the lists. A peer that a runner works on may stay in the list in which it was: only when
/// that expires it moves to the active ones, so a request that is answered at once moves its peer once, not twice.
final class ServerPeers {
    private unowned(unsafe) let server: HTTPServer
    private let loop: EventLoop
    private let buffers: IOBuffers
    private let exchanges: ExchangePool
    /// Those with a request under way; no deadline.
    private let active: PeerList
    /// Those whose next head is not complete, or whose first has not begun, or whose TLS handshake is going on.
    private let head: PeerList
    /// Those with nothing received and nothing to send.
    private let idle: PeerList
    /// Those whose client does not take what was sent.
    private let blocked: PeerList
    /// Those that are about to be closed.
    private let lingering: PeerList
    @exclusivity(unchecked) private(set) var count = 0

    /// So long a connection waits, after its last response, for the client to end it.
    private static var lingerTime: Int64 { 1_000_000_000 }
    /// So much is dropped of what arrives in that time.
    private static var lingerLimit: Int { 4 << 20 }
    /// So many reads are dropped before others have their turn.
    private static var dropsInARow: Int { 16 }

    /// A connection that has been idle for so long is taken for unused.
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
        head.expire = { [unowned(unsafe) self] in unlessBusy($0) { headTimedOut($0) } }
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

    /// Idle connections. O(n): a peer with a request under way may still be in the list.
    var idleCount: Int {
        var count = 0
        idle.forEach { if !$0.isBusy, !$0.isQueued { count += 1 } }
        return count
    }

    // MARK: The beginning

    /// Takes a new peer over.
    func add(_ peer: ServerPeer) {
        _ = Unmanaged.passRetained(peer)
        count += 1
        head.append(peer, at: loop.clock.now)
    }

    // MARK: Between requests

    /// A runner lets go of a peer: no handler works on it, and all that has arrived is parsed.
    @inline(__always)
    func settle(_ peer: ServerPeer, _ exchange: ServerExchange) {
        peer.isBusy = false
        if peer.isClosed { return close(peer, exchange.closeReason) }
        // What comes next is decided when the output is flushed.
        if !exchange.isFlushPending { rest(peer, exchange, at: loop.clock.now) }
    }

    /// Puts a peer, which nobody works on and whose output is not about to be flushed, where it belongs.
    @inline(__always)
    func rest(_ peer: ServerPeer, _ exchange: ServerExchange, at now: LoopInstant) {
        if exchange.isBlocked {
            if !isIn(blocked, peer) { outputDidBlock(peer) }
            return
        }
        if exchange.endsAfterFlush { return linger(peer, exchange) }
        if exchange.waitsForFlush {
            exchange.waitsForFlush = false
            return server.runners.enqueue(peer)
        }
        if exchange.isBetweenRequests {
            exchanges.detach(exchange, from: peer)
            move(peer, to: idle, at: now)
        } else if exchange.hasServed || !isIn(head, peer) {
            // The clock of a head begins with its first byte, and not anew with each.
            exchange.hasServed = false
            move(peer, to: head, at: now)
        }
    }

    /// Everything that was to be sent is sent.
    @inline(__always)
    func outputDidFlush(_ peer: ServerPeer, _ exchange: ServerExchange) {
        if peer.isClosed { return }
        if peer.isBusy || peer.isQueued {
            if isIn(blocked, peer) { move(peer, to: active, at: loop.clock.now) }
        } else {
            rest(peer, exchange, at: buffers.flushTime)
        }
    }

    /// The client does not take everything now.
    func outputDidBlock(_ peer: ServerPeer) {
        if !peer.isClosed { move(peer, to: blocked, at: loop.clock.now) }
    }

    /// A request is under way whose handler, or whose client, may take long.
    func becomeActive(_ peer: ServerPeer) {
        if !peer.isClosed, !isIn(active, peer) { move(peer, to: active, at: loop.clock.now) }
    }

    /// TLS is agreed on: the first head has its full time.
    func handshakeDidEnd(_ peer: ServerPeer) {
        peer.phase = .open
        move(peer, to: head, at: loop.clock.now)
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

    /// A peer whose time is over is left alone while a runner works on it, or is about to.
    private func unlessBusy(_ peer: ServerPeer, _ end: (ServerPeer) -> Void) {
        if peer.isBusy || peer.isQueued { move(peer, to: active, at: loop.clock.now) } else { end(peer) }
    }

    private func headTimedOut(_ peer: ServerPeer) {
        guard let exchange = peer.exchange?.takeUnretainedValue(), !exchange.isBetweenMessages else {
            return close(peer, .timedOut)
        }
        move(peer, to: active, at: loop.clock.now)
        exchange.refuse(.requestTimeout)
    }

    // MARK: The end

    /// Ends the sending side, so that the client reads the last response to its end, and closes when the client has ended its
    /// own: closing with unread bytes in the buffer would reset the connection, and the response with it (RFC 9112 §9.6).
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
        // The socket may be closed already, by a stream that a handler has left behind; the peer is in a list until it ends here.
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

    /// As ``close(_:_:)``, but so that the client sees a failure.
    func abort(_ peer: ServerPeer, _ reason: HTTPServerEvent.CloseReason) {
        if !peer.isClosed { peer.discardUnsentOnClose() }
        close(peer, reason)
    }

    /// Gives up a peer that is closed, once nobody works on it.
    func releaseIfUnused(_ peer: ServerPeer) {
        guard peer.isClosed, !peer.isBusy, !peer.isQueued else { return }
        precondition(peer.list == nil, "a peer is released that is in a list")
        if let exchange = peer.exchange { exchanges.abandon(exchange.takeUnretainedValue(), of: peer) }
        peer.tls = nil
        Unmanaged.passUnretained(peer).release()
    }

    /// Closes the connection that has been idle longest. Returns false if none has been idle for a moment: a request may be on its
    /// way on one that has just been used.
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

    /// The server is ending: what is idle is given a little time for a request that is on its way.
    func beginShutdown(grace: Int64) {
        idle.setTimeout(grace, at: loop.clock.now)
        // A connection that has not begun its first head is as good as idle.
        head.forEach { peer in
            if peer.exchange == nil, !peer.isQueued {
                move(peer, to: idle, at: loop.clock.now)
            }
        }
    }

    /// Closes all that is open. Returns how many connections that were.
    func closeAll() -> Int {
        let cut = count
        for list in [active, head, idle, blocked, lingering] { list.forEach { close($0, .shutdown) } }
        return cut
    }
}
