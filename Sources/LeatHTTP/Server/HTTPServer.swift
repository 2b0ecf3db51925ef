public import LeatLoop
public import LeatNet
import LeatReactor

/// An HTTP/1.1 server: a handler for each request, and nothing for an idle connection but its descriptor.
///
/// ```swift
/// let server = try HTTPServer.bind(to: .loopback(port: 8080)) { request, body in
///     switch request.uri.path {
///     case "/": HTTPServerResponse(body: .text("Hello\n"))
///     default: throw HTTPStatusError(.notFound)
///     }
/// }
/// try await server.run()
/// ```
///
/// Connections are kept alive, and pipelined requests are answered in order. A request that could be taken in two ways is
/// refused. Answers are sent at the end of the turn of the loop in which they were made. No answer waits for the handler of
/// another request. A connection on which nothing happens has no task and no buffer.
///
/// Confined to its loop; ``beginGracefulShutdown()`` may be called from any thread.
public final class HTTPServer: @unchecked Sendable {
    /// Answers a request. It reads `body` before it returns; what it leaves is dropped.
    ///
    /// If it throws an ``HTTPStatusError``, the answer has that status. If it cannot decode the request, the answer is 400, 413
    /// or 415. Any other error is answered with 500 and passed to the configuration's `onError`; the client learns nothing about
    /// it.
    public typealias Handler =
        @Sendable (_ request: HTTPRequest, _ body: HTTPBodyReader) async throws -> HTTPServerResponse

    /// As ``Handler``, for a handler that wants to know about the connection as well.
    public typealias ContextualHandler =
        @Sendable (_ request: HTTPRequest, _ body: HTTPBodyReader, _ context: HTTPServerContext) async throws
        -> HTTPServerResponse

    public let configuration: Configuration
    /// Where it listens; the port is the real one, also after binding to port 0.
    public var localAddress: SocketAddress { listener.localAddress }

    let loop: EventLoop
    enum AnyHandler {
        case plain(Handler)
        case contextual(ContextualHandler)
    }

    let handler: AnyHandler
    let date = DateField()
    let scanner: RequestScanner
    let ledger = ServerLedger()
    // The configuration's timeouts in nanoseconds. Arithmetic on `Duration` costs too much for every request.
    let bodyTimeout, writeTimeout: Int64
    let isObserved: Bool
    private(set) var exchanges: ExchangePool!
    private(set) var peers: ServerPeers!
    private(set) var runners: ServerRunners!
    private let listener: TCPListener
    private var acceptor: ServerAcceptor!

    private enum State { case bound, running, ended }
    private var state = State.bound
    @exclusivity(unchecked) private var hasShutdownBegun = false
    /// Where ``run()`` waits until a runner is needed, the shutdown begins, or the last connection ends.
    private let spot: ParkingSpot
    private var runnersNeeded = 0
    private var acceptFailure: NetworkError?

    private init(
        listener: TCPListener,
        tls: TLSContext?,
        configuration: Configuration,
        loop: EventLoop,
        handler: AnyHandler
    ) {
        self.listener = listener
        self.configuration = configuration
        self.loop = loop
        self.handler = handler
        scanner = RequestScanner(limits: configuration.limits)
        bodyTimeout = configuration.bodyTimeout.clampedNanoseconds
        writeTimeout = configuration.writeTimeout.clampedNanoseconds
        isObserved = configuration.observer != nil
        spot = ParkingSpot(loop: loop)
        exchanges = ExchangePool(self)
        peers = ServerPeers(self, exchanges)
        runners = ServerRunners(self)
        acceptor = ServerAcceptor(self, listener, tls: tls)
    }

    deinit {
        // What belongs to the loop goes there, wherever the last reference was.
        nonisolated(unsafe) let parts = (acceptor, runners, peers, exchanges, listener, scanner, spot)
        loop.execute { _ = parts }
    }

    /// Listens at `address`, which may be a Unix socket's; ``run()`` serves. Call it on the loop.
    ///
    /// Throws `NetworkError`, `.addressInUse` among others, or `TLSError` if the configuration's certificate cannot be used.
    public static func bind(
        to address: SocketAddress,
        configuration: Configuration = Configuration(),
        loop: EventLoop = .current,
        handler: @escaping Handler
    ) throws -> HTTPServer {
        try bind(to: address, configuration, loop, .plain(handler))
    }

    /// As ``bind(to:configuration:loop:handler:)-(_,_,_,Handler)``, with a handler that wants to know about the connection.
    public static func bind(
        to address: SocketAddress,
        configuration: Configuration = Configuration(),
        loop: EventLoop = .current,
        handler: @escaping ContextualHandler
    ) throws -> HTTPServer {
        try bind(to: address, configuration, loop, .contextual(handler))
    }

    private static func bind(
        to address: SocketAddress,
        _ configuration: Configuration,
        _ loop: EventLoop,
        _ handler: AnyHandler
    ) throws -> HTTPServer {
        loop.preconditionOnLoop("bind(to:configuration:loop:handler:)")
        var tls: TLSContext?
        if let configuration = configuration.tls { tls = try TLSContext(configuration, role: .server) }
        let listener = try TCPListener.bind(
            to: address,
            backlog: configuration.backlog,
            reusePort: configuration.reusePort
        )
        return HTTPServer(
            listener: listener,
            tls: tls,
            configuration: configuration,
            loop: loop,
            handler: handler
        )
    }

    /// Connections that are open.
    public var connectionCount: Int { peers.count }

    // MARK: Running

    /// Serves until ``beginGracefulShutdown()`` is called, and then waits for the last connection to end, but no longer than the
    /// configuration's `shutdownTimeout`. After that time it closes the connections that are left, and cancels the tasks of their
    /// handlers. Returns how many connections it cut off.
    ///
    /// If the task is cancelled, also while it waits for the last connections, it closes all connections at once and throws
    /// `CancellationError`. Handlers inherit the task-local values of the caller. A server runs once: throws ``HTTPError`` of
    /// kind `.invalidRequest` if it runs already, or has run. Throws `NetworkError` if the listener fails.
    @discardableResult
    public func run() async throws -> Int {
        loop.preconditionOnLoop()
        guard state == .bound else {
            let past = state == .running ? "is running already" : "has run already"
            throw HTTPError(.invalidRequest, "the server at \(localAddress) \(past): a server runs once")
        }
        state = .running
        defer { end() }
        if !hasShutdownBegun { acceptor.open() }
        var isCancelled = await serve { hasShutdownBegun } == .cancelled
        beginShutdown()
        let cut = await drain(isCancelled: &isCancelled)
        ledger.observe(configuration, loop, .shutdownEnded(cut: cut))
        if isCancelled { throw CancellationError() }
        if let acceptFailure { throw acceptFailure }
        return cut
    }

    /// Stops accepting. Requests that have arrived are answered, the last of each connection with `Connection: close`. An idle
    /// connection is closed unless a request comes within the configuration's `shutdownGrace`. Callable from any thread, also
    /// from an observer, and more than once.
    public func beginGracefulShutdown() {
        loop.execute {
            // With its loop the server has ended as well.
            if self.loop.hasEnded { return }
            // Outside of a job the caller is an observer, and the server is in the middle of an event or a timer.
            if self.loop.isRunningJobs { self.beginShutdown() } else { self.loop.schedule { self.beginShutdown() } }
        }
    }

    private func beginShutdown() {
        guard !hasShutdownBegun else { return }
        hasShutdownBegun = true
        ledger.observe(configuration, loop, .shutdownBegan)
        acceptor.close()
        peers.beginShutdown(grace: min(configuration.shutdownGrace, configuration.shutdownTimeout).clampedNanoseconds)
        spot.wake(.ready)
    }

    var isShuttingDown: Bool { hasShutdownBegun }
    var isRunning: Bool { state == .running }

    /// Waits until `isDone`, and meanwhile starts the runners that are needed.
    private func serve(until deadline: LoopInstant = .distantFuture, isDone: () -> Bool) async -> Wake {
        while true {
            while runnersNeeded > 0 {
                runnersNeeded -= 1
                runners.start()
            }
            if isDone() { return .ready }
            let reason = hasShutdownBegun ? WaitReason.shutdown : .accept(descriptor: listener.descriptor)
            let wake = await spot.parkCancellably(reason, until: deadline)
            if wake != .ready { return wake }
        }
    }

    /// Waits for the connections to end, unless the task is cancelled. Returns how many were cut off.
    private func drain(isCancelled: inout Bool) async -> Int {
        if !isCancelled {
            let deadline = loop.clock.now.advanced(by: configuration.shutdownTimeout)
            let wake = await serve(until: deadline, isDone: { peers.count == 0 })
            if wake == .ready { return 0 }
            isCancelled = wake == .cancelled
        }
        let cut = peers.closeAll()
        runners.cancelAll()
        // This gives handlers that mind the cancellation time to end. It does not wait for others.
        var turnsLeft = 10
        while runners.count > 0, turnsLeft > 0 {
            turnsLeft -= 1
            await Task.yield()
        }
        return cut
    }

    private func end() {
        state = .ended
        spot.disarm()
        runners.endResting()
        runners.releaseWaiting { peers.releaseIfUnused($0) }
    }

    // MARK: What the parts report

    func needsRunner() {
        runnersNeeded += 1
        spot.wake(.ready)
    }

    func acceptFailed(_ error: NetworkError) {
        acceptFailure = error
        beginShutdown()
    }

    func connectionBegins(_ peer: ServerPeer) {
        peers.add(peer)
        ledger.metrics.connectionsAccepted += 1
        ledger.observe(
            configuration,
            loop,
            .connectionAccepted(remoteAddress: peer.address),
            connection: peer.number
        )
    }

    func connectionWasRefused() { ledger.metrics.connectionsRefused += 1 }

    func connectionDidClose(_ peer: ServerPeer, _ reason: HTTPServerEvent.CloseReason) {
        if let exchange = peer.exchange?.takeUnretainedValue() {
            exchange.account()
        }
        ledger.observe(configuration, loop, .connectionClosed(reason), connection: peer.number)
        acceptor.placeIsFree()
        if hasShutdownBegun, peers.count == 0 { spot.wake(.ready) }
    }

    /// What the server has done since it was made, and what it holds now. O(n) in the number of idle connections.
    public var metrics: HTTPServerMetrics {
        var snapshot = ledger.metrics
        snapshot.connectionsOpen = peers.count
        snapshot.connectionsIdle = peers.idleCount
        return snapshot
    }
}
