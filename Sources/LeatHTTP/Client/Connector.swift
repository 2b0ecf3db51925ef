import LeatLoop
import LeatNet
import LeatReactor

/// Makes connections for the pool: looks the name up, connects, and puts what goes wrong into words.
final class Connector {
    private let configuration: HTTPClient.Configuration
    private let loop: EventLoop
    private let addresses: AddressCache

    init(configuration: HTTPClient.Configuration, loop: EventLoop) {
        self.configuration = configuration
        self.loop = loop
        addresses = AddressCache(loop: loop, timeToLive: configuration.addressLifetime)
    }

    /// Made for the first `https` request: it reads certificates, and loads OpenSSL.
    private lazy var tls = Result { () throws(TLSError) in try TLSContext(configuration.tls, role: .client) }

    /// Throws ``HTTPError`` of kind `.connect`, `.tls` or `.timeout`, or `CancellationError`.
    func connect(to origin: OriginPool, _ times: ExchangeTimes) async throws -> HTTPConnection {
        let socket = try await open(origin, times)
        if configuration.keepAliveProbes { socket.enableKeepAlive() }
        let tls = origin.isSecure ? try await shakeHands(socket, origin, times) : nil
        return HTTPConnection(socket: socket, tls: tls, role: .response, limits: configuration.limits)
    }

    private func shakeHands(_ socket: Socket, _ origin: OriginPool, _ times: ExchangeTimes) async throws -> TLSChannel {
        do {
            return try await phase(.tls, configuration.tlsTimeout, times) { deadline in
                let channel = try TLSChannel(
                    try tls.get(),
                    socket: socket,
                    serverName: origin.host,
                    port: origin.port
                )
                try await channel.handshake(until: deadline)
                return channel
            }
        } catch {
            socket.close()
            throw error
        }
    }

    private func open(_ origin: OriginPool, _ times: ExchangeTimes) async throws -> Socket {
        let (host, port, loop) = (origin.host, origin.port, loop)
        if let literal = SocketAddress(ip: host, port: port) {
            return try await phase(.connect, configuration.connectTimeout, times) { deadline in
                try await Socket.connect(to: literal, loop: loop, until: deadline)
            }
        }
        let found = try await phase(.resolve, configuration.resolveTimeout, times) { deadline in
            try await addresses.addresses(of: host, port: port, until: deadline)
        }
        return try await phase(.connect, configuration.connectTimeout, times) { deadline in
            try await Socket.connect(toFirstOf: found, host: host, loop: loop, until: deadline)
        }
    }

    /// Runs a step within its own limit and that of the whole exchange.
    private func phase<T>(
        _ phase: HTTPError.Phase,
        _ limit: Duration,
        _ times: ExchangeTimes,
        _ step: (LoopInstant) async throws -> T
    ) async throws -> T {
        do {
            return try await step(min(loop.now.advanced(by: limit), times.deadline))
        } catch let error as NetworkError where error.kind == .timedOut {
            throw times.describe(error, in: phase, limit: limit.clampedNanoseconds, now: loop.now)
        } catch {
            throw HTTPError.wrapping(error, as: .connect)
        }
    }
}
