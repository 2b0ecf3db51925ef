import LeatLoop

/// The tasks in which a server's handlers run, and the peers that wait for one of them.
///
/// Connections are not bound to tasks. A runner takes one peer after the other that has something to read, for as long as no
/// handler suspends. A handler that does suspend keeps its runner, and another one takes over. So there are as many tasks as
/// there are suspended handlers, and one more.
///
/// What makes it work is one rule: whoever takes a peer while others wait sees to it that another runner is on its way. If the
/// handler does not suspend, that runner finds nothing to do. Confined to its loop.
final class ServerRunners {
    private unowned(unsafe) let server: HTTPServer
    // Peers that wait for a runner, first come, first served.
    @exclusivity(unchecked) private var firstReady: Unmanaged<ServerPeer>?
    @exclusivity(unchecked) private var lastReady: Unmanaged<ServerPeer>?
    /// Runners that rest, the latest first.
    @exclusivity(unchecked) private var resting: [ParkingSpot] = []
    /// Whether a runner is about to run.
    @exclusivity(unchecked) private var isScheduled = false
    private var running: Set<ServerRunner> = []

    /// So many rest at once; more end.
    private static var mostResting: Int { 256 }

    init(_ server: HTTPServer) {
        self.server = server
    }

    /// Tasks, those that rest included.
    var count: Int { running.count }

    // MARK: Peers

    /// A peer has something to read. It is served in its turn.
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

    /// The next peer to be served.
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

    /// Starts a runner. Called by the task of ``HTTPServer/run()``, whose task-local values the handlers inherit.
    func start() {
        let runner = ServerRunner(server)
        runner.task = server.loop.startTask { await runner.run() }
        running.insert(runner)
    }

    /// A runner begins to look for peers.
    @inline(__always)
    func began() { isScheduled = false }

    /// Whether a runner may rest until it is needed; the spot is where it waits.
    func rest(_ spot: ParkingSpot) -> Bool {
        guard resting.count < Self.mostResting, server.isRunning else { return false }
        resting.append(spot)
        return true
    }

    func ended(_ runner: ServerRunner) {
        running.remove(runner)
        runner.task = nil
        resting.removeAll { $0 === runner.spot }
        // It may have been on its way to a peer.
        if hasWaiting, !isScheduled { schedule() }
    }

    /// Gives up the peers that wait for a runner: all of them are closed.
    func releaseWaiting(_ release: (ServerPeer) -> Void) {
        while let peer = firstReady?.takeUnretainedValue() {
            firstReady = peer.nextReady
            peer.nextReady = nil
            peer.isQueued = false
            release(peer)
        }
        lastReady = nil
    }

    /// Cancels the tasks in which handlers are suspended, and the others with them.
    func cancelAll() {
        for runner in running { runner.task?.cancel() }
        endResting()
    }

    /// Ends the runners that rest.
    func endResting() {
        while let spot = resting.popLast() { spot.wake(.cancelled) }
    }
}
