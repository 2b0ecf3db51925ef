public import LeatNet
import LeatReactor

extension HTTPServer {
    /// How a server behaves. Every limit has a default.
    public struct Configuration: Sendable {
        /// The most connections that are open at once. More wait in the backlog. Default 100,000.
        public var maximumConnections = 100_000
        /// The longest queue of connections that wait to be accepted. Default 4,096; the kernel has a limit of its own.
        public var backlog = 4_096
        /// Whether several processes may listen at the address (SO_REUSEPORT). Default false.
        public var reusePort = false
        /// The certificate with which `https` is served; nil for `http`. Default nil. The handshake has to be over within
        /// ``headTimeout``.
        public var tls: TLSConfiguration?
        /// The longest time for a head, from its first byte to its end. The clock of a connection's first head begins when the
        /// connection is accepted, and with TLS again when the handshake is over. Default 30 s.
        public var headTimeout = Duration.seconds(30)
        /// How long a connection may lie unused between requests. Default 75 s.
        public var idleTimeout = Duration.seconds(75)
        /// The longest wait for the next bytes of a body, and for all that a handler has left of one. Default 60 s; see also
        /// ``minimumBodyRate``.
        public var bodyTimeout = Duration.seconds(60)
        /// The longest time in which a client may take nothing of what is sent to it. With each byte that it takes, the time
        /// begins anew. After it the connection is aborted. Default 60 s.
        public var writeTimeout = Duration.seconds(60)
        /// The largest request body, in bytes; a larger one is answered with 413. Default 64 MiB.
        public var maximumRequestBody = 64 << 20
        /// Limits on the head, the trailers and the chunk extensions.
        public var limits = HTTPLimits()
        /// The lowest rate at which a client may send a body, in bytes a second, once ``bodyTimeout`` is used up by waiting for
        /// it. A client that sends a byte now and then is answered with 408. Default 500; 0 for no limit.
        public var minimumBodyRate = 500
        /// How long a graceful shutdown waits for requests under way before it cuts them off. Default 30 s.
        public var shutdownTimeout = Duration.seconds(30)
        /// How long an idle connection is kept open in a graceful shutdown, for a request that is on its way. Default 1 s.
        public var shutdownGrace = Duration.seconds(1)
        /// Called with each error that is the server's fault: a handler has thrown one that is answered with 500, a response
        /// cannot be sent as it is, or the closure of a stream or of an upgraded connection has thrown an error of its own. By
        /// default it prints a line on standard error.
        ///
        /// It is called on the loop, and should not hold it up.
        public var onError: @Sendable (_ error: any Error, _ request: HTTPRequest) -> Void =
            printHandlerError
        /// Told what happens, on the loop. Nil by default, which costs nothing.
        public var observer: (@Sendable (HTTPServerEvent) -> Void)?

        public init() {}
    }
}

/// What a server's handler answers with. `Date`, and the fields that say where the body ends, are added to it.
public struct HTTPServerResponse: Sendable {
    public var status: HTTPResponse.Status
    public var headerFields: HTTPFields
    public var body: HTTPBody

    public init(
        status: HTTPResponse.Status = .ok,
        headerFields: HTTPFields = HTTPFields(),
        body: HTTPBody = .none
    ) {
        self.status = status
        self.headerFields = headerFields
        self.body = body
    }
}

/// What ``HTTPServer/Configuration/onError`` does unless it is set.
@Sendable
private func printHandlerError(_ error: any Error, _ request: HTTPRequest) {
    printToStandardError("leat: \(request.method) \(request.path ?? "") failed: \(error)")
}
