import LeatLoop
import LeatReactor

/// Peers of a server that wait for the same thing, the longest waiting first. They share one timer.
///
/// All of them wait equally long, so they enter the list in the order of their deadlines. To enter and to leave is a few stores.
/// The timer heap hears of it only when the list begins to be used, and when the timer fires. Confined to its loop.
final class PeerList: LoopTimer {
    private let reactor: Reactor
    /// How long a peer may stay, in nanoseconds.
    private(set) var timeout: Int64
    /// Called with each peer whose time is over. It has to take the peer out: to close it, or to put it into another list.
    var expire: (ServerPeer) -> Void = { _ in }
    @exclusivity(unchecked) private(set) var first: Unmanaged<ServerPeer>?
    @exclusivity(unchecked) private var last: Unmanaged<ServerPeer>?
    @exclusivity(unchecked) private(set) var count = 0

    /// - Parameter timeout: In nanoseconds. The maximum stands for no limit.
    init(timeout: Int64, reactor: Reactor) {
        self.timeout = timeout
        self.reactor = reactor
    }

    @inline(__always)
    func append(_ peer: ServerPeer, at now: LoopInstant) {
        assert(peer.list == nil)
        let reference = Unmanaged.passUnretained(peer)
        peer.deadline = now.advanced(nanoseconds: timeout)
        peer.list = .passUnretained(self)
        peer.previous = last
        if let last { last._withUnsafeGuaranteedRef { $0.next = reference } } else { first = reference }
        last = reference
        count &+= 1
        if !isSet, timeout != .max { reactor.set(self, at: peer.deadline) }
    }

    @inline(__always)
    func remove(_ peer: ServerPeer) {
        assert(peer.list?.toOpaque() == Unmanaged.passUnretained(self).toOpaque())
        let (previous, next) = (peer.previous, peer.next)
        if let previous { previous._withUnsafeGuaranteedRef { $0.next = next } } else { first = next }
        if let next { next._withUnsafeGuaranteedRef { $0.previous = previous } } else { last = previous }
        peer.next = nil
        peer.previous = nil
        peer.list = nil
        count &-= 1
    }

    /// Calls `body` with each peer, the longest waiting first. `body` may take that peer out.
    func forEach(_ body: (ServerPeer) -> Void) {
        var following = first
        while let reference = following {
            let peer = reference.takeUnretainedValue()
            following = peer.next
            body(peer)
        }
    }

    /// Gives the peers in the list `timeout` nanoseconds from now on, and those that enter it later as much.
    func setTimeout(_ timeout: Int64, at now: LoopInstant) {
        self.timeout = timeout
        forEach { $0.deadline = now.advanced(nanoseconds: timeout) }
        reactor.cancel(self)
        if let first { reactor.set(self, at: first.takeUnretainedValue().deadline) }
    }

    override func fire(at now: LoopInstant) {
        while let peer = first?.takeUnretainedValue(), peer.deadline <= now {
            expire(peer)
            precondition(first?.toOpaque() != Unmanaged.passUnretained(peer).toOpaque(), "an expired peer leaves")
        }
        if !isSet, let first { reactor.set(self, at: first.takeUnretainedValue().deadline) }
    }

    func disarm() { reactor.cancel(self) }
}
