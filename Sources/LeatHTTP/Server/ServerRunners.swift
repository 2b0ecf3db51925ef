import LeatLoop

/// The tasks in which a server's handlers run, and the peers that wait for one of them.
///
/// Connections are not bound to tasks. As long as no handler suspends, one runner serves all peers that have something to read,
/// one after the other. A handler that suspends keeps its runner, and another runner takes over. So there are as many tasks as
/// there are suspended handlers, and one more.
///
/// One rule makes that work: whoever takes a peer while others wait has another runner scheduled. If the handler does not
/// suspend, that runner finds nothing to do. Confined to its loop.
final class ServerRunners {
    private unowned(unsafe) let server: HTTPServer
    // The queue of the peers that wait for a runner.
    @exclusivity(unchecked) private var firstReady: Unmanaged<ServerPeer>?
    @exclusivity(unchecked) private var lastReady: Unmanaged<ServerPeer>?
    /// Where runners rest. The last one is woken first.
    @exclusivity(unchecked) private var resting: [ParkingSpot] = []
    /// Whether a runner is scheduled that has not begun yet.
    @exclusivity(unchecked) private var isScheduled = false
    private var running: Set<ServerRunner> = []

    /// How many runners may rest. Others end.
    private static var mostResting: Int { 256 }

    init(_ server: HTTPServer) {
        self.server = server
    }

    /// The number of runners, those that rest included.
    var count: Int { running.count }

    // MARK: Peers

    /// Puts a peer that has something to read at the end of the queue, unless it is in it.
    @inline(__always)
    func enqueue(_ peer: ServerPeer) {
        if peer.isQueued { return }
        peer.isQueued = true
        let reference = Unmanaged.passUnretained(peer)
        if let lastReady {
            lastReady._withUnsafeGuaranteedRef { $0.nextReady = reference }
        } else {
            firstReady = reference
        }
        lastReady = reference
        if !isScheduled { schedule() }
    }

    /// Whether peers wait to be served.
    @inline(__always)
    var hasWaiting: Bool { firstReady != nil }

    /// Takes the first peer out of the queue.
    @inline(__always)
    func next() -> Unmanaged<ServerPeer>? {
        guard let first = firstReady else { return nil }
        first._withUnsafeGuaranteedRef { peer in
            firstReady = peer.nextReady
            peer.nextReady = nil
            peer.isQueued = false
        }
        if firstReady == nil { lastReady = nil } else if !isScheduled { schedule() }
        return first
    }

    // MARK: Runners

    private func schedule() {
        isScheduled = true
        if let spot = resting.popLast() { spot.wake(.ready) } else { server.needsRunner() }
    }

    /// Starts a runner. The task of ``HTTPServer/run()`` calls this, so handlers inherit that task's task-local values.
    func start() {
        let runner = ServerRunner(server)
        runner.task = server.loop.startTask { await runner.run() }
        running.insert(runner)
    }

    /// Called when a runner begins to look for peers.
    @inline(__always)
    func began() { isScheduled = false }

    /// Lets a runner rest at its `spot`. Returns false if it is to end instead.
    func rest(_ spot: ParkingSpot) -> Bool {
        guard resting.count < Self.mostResting, server.isRunning else { return false }
        resting.append(spot)
        return true
    }

    func ended(_ runner: ServerRunner) {
        running.remove(runner)
        runner.task = nil
        resting.removeAll { $0 === runner.spot }
        // Peers may wait for the very runner that has ended.
        if hasWaiting, !isScheduled { schedule() }
    }

    /// Empties the queue when no runner will come any more. All of its peers are closed.
    func releaseWaiting(_ release: (ServerPeer) -> Void) {
        while let peer = firstReady?.takeUnretainedValue() {
            firstReady = peer.nextReady
            peer.nextReady = nil
            peer.isQueued = false
            release(peer)
        }
        lastReady = nil
    }

    /// Cancels all runners, those whose handlers are suspended as well as those that rest.
    func cancelAll() {
        for runner in running { runner.task?.cancel() }
        endResting()
    }

    /// Ends the runners that rest.
    func endResting() {
        while let spot = resting.popLast() { spot.wake(.cancelled) }
    }
}
