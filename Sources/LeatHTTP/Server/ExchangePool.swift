import LeatNet

/// Keeps the exchanges that are attached to no peer. A peer that gets something to do takes one. Confined to its loop.
final class ExchangePool {
    private unowned(unsafe) let server: HTTPServer
    @exclusivity(unchecked) private var first: Unmanaged<ServerExchange>?
    @exclusivity(unchecked) private var count = 0

    /// The most exchanges that are kept. Each holds about half a kilobyte, and a block of 2 KiB for output.
    private static var maximumCount: Int { 64 }

    init(_ server: HTTPServer) {
        self.server = server
    }

    deinit {
        while let exchange = first {
            first = exchange._withUnsafeGuaranteedRef { $0.nextSpare }
            exchange.release()
        }
    }

    /// Returns the exchange of a peer. If the peer has none, it gets a spare one, or a new one.
    @inline(__always)
    func attach(to peer: ServerPeer) -> Unmanaged<ServerExchange> {
        if let exchange = peer.exchange { return exchange }
        guard let exchange = first else { return makeExchange(peer) }
        exchange._withUnsafeGuaranteedRef {
            first = $0.nextSpare
            $0.attach(to: peer)
        }
        count &-= 1
        peer.exchange = exchange
        return exchange
    }

    @inline(never)
    private func makeExchange(_ peer: ServerPeer) -> Unmanaged<ServerExchange> {
        let made = Unmanaged.passRetained(ServerExchange(peer, server))
        peer.exchange = made
        return made
    }

    /// Takes back the exchange of a peer. Everything has to be parsed and sent.
    @inline(__always)
    func detach(_ exchange: ServerExchange, from peer: ServerPeer) {
        peer.exchange = nil
        exchange.detach()
        guard count < Self.maximumCount, !exchange.isInUse else { return drop(exchange) }
        exchange.nextSpare = first
        first = .passUnretained(exchange)
        count &+= 1
    }

    /// Gives up the exchange of a peer that has ended. It is not used again.
    func abandon(_ exchange: ServerExchange, of peer: ServerPeer) {
        peer.exchange = nil
        drop(exchange)
    }

    @inline(never)
    private func drop(_ exchange: ServerExchange) {
        // A task that the handler has left behind may still use the exchange, so the exchange keeps its socket alive.
        if exchange.isInUse { exchange.retainSocket() }
        exchange.account()
        exchange.unblock()
        exchange.discardUnparsed()
        exchange.output.removeAll()
        exchange.buffers.cancelFlush(exchange)
        Unmanaged.passUnretained(exchange).release()
    }
}
