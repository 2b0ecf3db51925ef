import LeatLoop
import LeatNet
import LeatReactor

/// Makes connections for the pool: looks the name up, connects, through a proxy if need be, and puts what goes wrong into
/// words.
final class Connector {
    private let configuration: HTTPClient.Configuration
    private let loop: EventLoop
    private let cache: AddressCache

    init(configuration: HTTPClient.Configuration, loop: EventLoop) {
        self.configuration = configuration
        self.loop = loop
        cache = AddressCache(loop: loop, timeToLive: configuration.addressLifetime)
    }

    /// Made for the first `https` request: it reads certificates, and loads OpenSSL.
    private lazy var tls = Result { () throws(TLSError) in try TLSContext(configuration.tls, role: .client) }

    /// Throws ``HTTPError`` of kind `.connect`, `.proxy`, `.tls` or `.timeout`, among others, or `CancellationError`.
    func connect(to origin: OriginPool, _ times: ExchangeTimes) async throws -> HTTPConnection {
        let socket = try await open(origin, times)
        if configuration.keepAliveProbes, configuration.unixSocket == nil { socket.enableKeepAlive() }
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

    /// A socket that leads to the origin.
    private func open(_ origin: OriginPool, _ times: ExchangeTimes) async throws -> Socket {
        do {
            let addresses = try await addresses(for: origin, times)
            return try await phase(.connect, configuration.connectTimeout, times) { deadline in
                let host = origin.route.proxy?.host ?? origin.host
                let socket = try await Socket.connect(toFirstOf: addresses, host: host, loop: loop, until: deadline)
                if case .tunnel(let proxy) = origin.route {
                    try await openTunnel(through: proxy, to: origin, socket, deadline)
                }
                return socket
            }
        } catch let error as HTTPError where error.kind == .connect {
            guard let proxy = origin.route.proxy else { throw error }
            throw HTTPError(.connect, "the proxy \(proxy): \(error.message)", underlying: error.underlying)
        }
    }

    /// Where to connect to: the origin, or what stands between.
    private func addresses(for origin: OriginPool, _ times: ExchangeTimes) async throws -> [SocketAddress] {
        if case .unix(let address) = origin.route { return [address] }
        let (host, port) = origin.route.proxy.map { ($0.host, $0.port) } ?? (origin.host, origin.port)
        if let literal = SocketAddress(ip: host, port: port) { return [literal] }
        return try await phase(.resolve, configuration.resolveTimeout, times) { deadline in
            if cache.knows(host) {
                times.observation?.note(.addressesCached(host: host))
                return try await cache.addresses(of: host, port: port, until: deadline)
            }
            times.observation?.note(.resolveStarted(host: host))
            let addresses = try await cache.addresses(of: host, port: port, until: deadline)
            times.observation?.note(.resolved(host: host, addresses: addresses.count))
            return addresses
        }
    }

    private func openTunnel(
        through proxy: HTTPProxy,
        to origin: OriginPool,
        _ socket: Socket,
        _ deadline: LoopInstant
    ) async throws {
        let tunnel = ProxyTunnel(
            proxy: proxy,
            target: Authority.text(host: origin.host, port: origin.port),
            userAgent: configuration.userAgent,
            limits: configuration.limits
        )
        do {
            try await tunnel.open(on: socket, until: deadline)
        } catch {
            socket.close()
            throw error
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
            return try await step(min(loop.clock.now.advanced(by: limit), times.deadline))
        } catch let error as NetworkError where error.kind == .timedOut {
            throw times.describe(error, in: phase, limit: limit.clampedNanoseconds, now: loop.now)
        } catch {
            throw HTTPError.wrapping(error, as: .connect)
        }
    }
}
