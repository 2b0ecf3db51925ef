public import LeatLoop
public import LeatNet
import LeatReactor

/// An HTTP/1.1 server: a task per connection, a handler per request.
///
/// ```swift
/// let server = try HTTPServer.bind(to: .loopback(port: 8080)) { request, body in
///     HTTPServerResponse(body: .text("Hello\n"))
/// }
/// try await server.run()
/// ```
///
/// Connections are kept alive, pipelined requests are answered in order, and a request that could be taken in two ways
/// is refused. Each connection has its own task; an idle one costs about 3 KiB, the task included.
public final class HTTPServer: @unchecked Sendable {
    /// Answers a request. `body` is to be read before it returns; what is left of it then is dropped. An error that it
    /// throws is answered with 500, and never shown to the client.
    public typealias Handler =
        @Sendable (_ request: HTTPRequest, _ body: HTTPBodyReader) async throws -> HTTPServerResponse

    public let configuration: Configuration
    /// Where it listens; the port is the real one, also after binding to port 0.
    public var localAddress: SocketAddress { listener.localAddress }

    let loop: EventLoop
    let handler: Handler
    let date = DateField()
    let spareOutputs = SpareBuffers()
    // The configuration's timeouts in nanoseconds: arithmetic on `Duration` is no work for every request.
    let headTimeout, idleTimeout, bodyTimeout, writeTimeout: Int64
    private let listener: TCPListener
    private let tls: TLSContext?
    private let places: AsyncSemaphore
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    /// Where ``run()`` waits for the last connection to end.
    private let drained: ParkingSpot
    private(set) var isShuttingDown = false

    private init(
        listener: TCPListener,
        tls: TLSContext?,
        configuration: Configuration,
        loop: EventLoop,
        handler: @escaping Handler
    ) {
        self.listener = listener
        self.tls = tls
        self.configuration = configuration
        self.loop = loop
        self.handler = handler
        headTimeout = configuration.headTimeout.clampedNanoseconds
        idleTimeout = configuration.idleTimeout.clampedNanoseconds
        bodyTimeout = configuration.bodyTimeout.clampedNanoseconds
        writeTimeout = configuration.writeTimeout.clampedNanoseconds
        places = AsyncSemaphore(value: configuration.maximumConnections)
        drained = ParkingSpot(loop: loop)
    }

    /// Listens at `address`, which may be a Unix socket's; ``run()`` serves. Call it on the loop. Throws `NetworkError`, `.addressInUse` among others, or
    /// `TLSError` if the configuration's certificate cannot be used.
    public static func bind(
        to address: SocketAddress,
        configuration: Configuration = Configuration(),
        loop: EventLoop = .current,
        handler: @escaping Handler
    ) throws -> HTTPServer {
        loop.preconditionOnLoop()
        var tls: TLSContext?
        if let configuration = configuration.tls { tls = try TLSContext(configuration, role: .server) }
        let listener = try TCPListener.bind(
            to: address,
            backlog: configuration.backlog,
            reusePort: configuration.reusePort
        )
        return HTTPServer(listener: listener, tls: tls, configuration: configuration, loop: loop, handler: handler)
    }

    /// Connections that are open.
    public var connectionCount: Int { connections.count }

    /// Serves until ``beginGracefulShutdown()`` is called, then returns when the last connection has ended, or has been
    /// cancelled at the end of the configuration's `shutdownTimeout`. If the task is cancelled, all connections are
    /// cancelled at once and `CancellationError` is thrown. Returns how many connections had to be cancelled.
    @discardableResult
    public func run() async throws -> Int {
        loop.preconditionOnLoop()
        var failure: (any Error)?
        do {
            while true {
                try await places.acquire()
                start(try await listener.acceptSocket())
            }
        } catch let error as NetworkError where error.kind == .closed {
            // The shutdown closed the listener.
        } catch {
            failure = error
        }
        beginGracefulShutdown()
        let left = await drain(patiently: !(failure is CancellationError))
        if let failure { throw failure }
        return left
    }

    /// Stops accepting and closes idle connections; requests under way are answered, with `Connection: close`.
    /// Callable from any thread, and more than once.
    public func beginGracefulShutdown() {
        loop.execute {
            guard !self.isShuttingDown else { return }
            self.isShuttingDown = true
            self.listener.close()
            for connection in self.connections.values { connection.endIfIdle() }
        }
    }

    private func drain(patiently: Bool) async -> Int {
        var left = 0
        let deadline = loop.clock.now.advanced(by: configuration.shutdownTimeout)
        if patiently, !connections.isEmpty {
            if await drained.parkCancellably(.shutdown, until: deadline) == .ready { return 0 }
        }
        left = connections.count
        for connection in connections.values { connection.cancel() }
        while !connections.isEmpty { _ = await drained.park(.shutdown) }
        drained.disarm()
        return left
    }

    // MARK: Connections

    private func start(_ socket: Socket) {
        var channel: TLSChannel?
        if let tls {
            channel = try? TLSChannel(tls, socket: socket)
            // OpenSSL has no memory left for another connection.
            guard channel != nil else {
                socket.close()
                return places.release()
            }
        }
        let connection = ServerConnection(socket: socket, tls: channel, server: self)
        connections[ObjectIdentifier(connection)] = connection
        connection.task = Task(executorPreference: loop.preference) {
            await connection.serve()
            self.ended(connection)
        }
    }

    private func ended(_ connection: ServerConnection) {
        connections[ObjectIdentifier(connection)] = nil
        places.release()
        if connections.isEmpty { drained.wake(.ready) }
    }
}
