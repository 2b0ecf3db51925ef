public import LeatLoop
public import LeatNet

extension HTTPClient {
    /// How a client behaves. Every limit has a default.
    public struct Configuration: Sendable {
        /// What URLs given as text are relative to, such as `https://api.example.com/v2/`; mind the slash at the end
        /// (RFC 3986 §5.2.3). Default: none; they have to be absolute.
        public var baseURL: HTTPURL?
        /// Connections of all hosts together. Default 1,000.
        public var maximumConnections = 1_000
        /// Connections to one origin (scheme, host and port). Default 100.
        public var maximumConnectionsPerHost = 100
        /// The longest wait for a connection while all that are allowed are in use. Default: none.
        public var poolTimeout: Duration?
        /// For looking up the addresses of a name. Default 10 s.
        public var resolveTimeout = Duration.seconds(10)
        /// For making the TCP connection, to whichever address answers. Default 10 s.
        public var connectTimeout = Duration.seconds(10)
        /// For the TLS handshake. Default 10 s.
        public var tlsTimeout = Duration.seconds(10)
        /// The longest wait for the first byte of a response. Default 60 s.
        public var firstByteTimeout = Duration.seconds(60)
        /// The longest wait for the next bytes of a response, and for the server to take more of a request. Default 60 s.
        public var readTimeout = Duration.seconds(60)
        /// For a whole request, from the wait for a connection to the last byte, redirects included. What a rate limit takes is
        /// not part of it. Default: none.
        public var totalTimeout: Duration?
        /// How long an unused connection is kept. Default 60 s.
        public var idleTimeout = Duration.seconds(60)
        /// How old a connection may be when it is used again; nil for any age. Default: none.
        public var connectionLifetime: Duration?
        /// How long the addresses of a name are kept; the system's resolver does not tell. Default 10 s.
        public var addressLifetime = Duration.seconds(10)
        /// Whether the kernel probes connections that have been silent for long (SO_KEEPALIVE). Default true.
        public var keepAliveProbes = true
        /// Whether compressed bodies are asked for (`Accept-Encoding: gzip, deflate`) and decompressed, by the system's zlib.
        /// A request that brings an `Accept-Encoding` of its own gets the body as it is sent. Default true.
        public var decompresses = true
        /// Whom to trust, and as whom to appear, with `https`. OpenSSL 3 is loaded when the first such request is made.
        public var tls = TLSConfiguration()
        /// Through which proxies requests are sent. A library does not do what a variable of its user's environment says unless
        /// it is told to: see ``HTTPProxyConfiguration/fromEnvironment()``. Default: none.
        public var proxy = HTTPProxyConfiguration.none
        /// The Unix socket to which all requests are sent, redirects included, and no proxy; nil for none. The URL says what it
        /// does otherwise: the path, `Host`, and with `https` whose certificate is expected. Its host is not looked up.
        /// Default: none.
        public var unixSocket: SocketAddress?
        /// Fields that every request gets unless it has them, after `Accept: */*` and `User-Agent`. `Authorization` and
        /// `Cookie` among them go to whichever host is asked, but not along with a redirect to another.
        public var defaultHeaderFields = HTTPFields()
        /// Where cookies are kept; nil for none. A request that brings a `Cookie` of its own gets no other. Default: none.
        public var cookies: CookieJar?
        /// Which redirects are followed. Default: up to 10.
        public var redirects = RedirectPolicy()
        /// How often requests are sent, redirects and retries included; may be shared by clients. Default: no limit.
        public var rateLimiter: RateLimiter?
        /// How often requests are sent to one origin, a second. Default: no limit.
        public var requestsPerSecondPerHost: Double?
        /// When ``HTTPClient/execute(_:retry:upTo:)`` and batches try again. Default: never.
        public var retry = RetryPolicy.none
        /// Told what happens to each request, on the loop and at once: it should take little time. Default: none.
        public var observer: (@Sendable (HTTPClientEvent) -> Void)?
        /// The largest body that a collecting request accepts, in bytes. Default 64 MiB.
        public var maximumResponseBody = 64 << 20
        /// Limits on what a server may send before the body, and around it.
        public var limits = HTTPLimits()
        /// The field `User-Agent` of requests that have none; nil sends none. Default `leat`.
        public var userAgent: String? = "leat"

        public init() {}
    }
}

/// A response whose body was collected.
public struct HTTPClientResponse: Sendable, Hashable {
    public var status: HTTPResponse.Status
    public var headerFields: HTTPFields
    public var body: [UInt8]
    /// The fields after a chunked body.
    public var trailers: HTTPFields
    /// What it is the response of: after redirects, the last place.
    public var url: HTTPURL
    /// The redirects that led there, the first one first.
    public var history: [HTTPRedirect] = []

    public init(
        status: HTTPResponse.Status,
        headerFields: HTTPFields = HTTPFields(),
        body: [UInt8] = [],
        trailers: HTTPFields = HTTPFields(),
        url: HTTPURL
    ) {
        self.status = status
        self.headerFields = headerFields
        self.body = body
        self.trailers = trailers
        self.url = url
    }

    /// The body as UTF-8 text, ill-formed sequences replaced. O(n).
    public var text: String { String(decoding: body, as: UTF8.self) }
}
