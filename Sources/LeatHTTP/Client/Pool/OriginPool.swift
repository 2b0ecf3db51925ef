import LeatLoop
import LeatNet
import LeatReactor

/// The connections to one origin, and the requests that wait for one. Confined to its loop.
final class OriginPool: @unchecked Sendable {
    let isSecure: Bool
    let host: String
    let port: UInt16
    /// What `Host` says.
    let authority: String
    /// The field lines of a request that has no fields of its own: `Host` and the client's defaults.
    let plainLines: [UInt8]
    /// Whether those say what bodies are.
    let plainLinesHaveContentType: Bool
    /// Idle connections, the longest idle first. Taken from the end: the most recently used is the most likely alive.
    @exclusivity(unchecked) var idle: [PooledConnection] = []
    /// Connections that exist or are being made.
    @exclusivity(unchecked) var count = 0
    @exclusivity(unchecked) var waiters = WaitQueue()

    let rateLimiter: RateLimiter?
    let route: Route
    /// What stands before the path in a request's target; nil for nothing.
    private let targetPrefix: String?
    /// Whether requests to any origin go through a proxy. `Proxy-Authorization` is then for proxies only.
    private let usesProxies: Bool

    init(_ url: HTTPURL, route: Route, usesProxies: Bool, defaultFields: HTTPFields, rateLimiter: RateLimiter?) {
        self.rateLimiter = rateLimiter
        self.route = route
        self.usesProxies = usesProxies
        targetPrefix = if case .forward = route { "http://\(url.authority)" } else { nil }
        isSecure = url.isSecure
        host = url.host
        port = url.port
        authority = url.authority
        plainLines = Array("Host: \(url.authority)\r\n".utf8) + defaultFields.withBytes { Array($0) }
        plainLinesHaveContentType = defaultFields.contains(.contentType)
    }
}

extension OriginPool {
    /// The target of a request (RFC 9112 §3.2): the path, or the whole URL for a proxy.
    func target(of url: HTTPURL) -> String {
        guard let targetPrefix else { return url.path }
        return targetPrefix + url.path
    }

    /// A request's fields with what the proxy is to be told, and nobody else.
    func fields(_ fields: HTTPFields) -> HTTPFields {
        guard usesProxies else { return fields }
        var fields = fields
        if case .forward(let proxy) = route {
            if let own = proxy.authorization, !fields.contains(.proxyAuthorization) {
                fields[.proxyAuthorization] = own
            }
        } else {
            fields.removeAll(.proxyAuthorization)
        }
        return fields
    }

    /// Whether there is anything to remember: connections, who waits for one, or how many requests were sent just now.
    func isNeeded(at now: LoopInstant) -> Bool {
        count > 0 || !waiters.isEmpty || rateLimiter.map { !$0.isFull(at: now) } ?? false
    }
}

/// Scheme, host and port: what connections, permits and credentials are for (RFC 9110 §4.3.1).
struct Origin: Hashable {
    let isSecure: Bool
    let host: String
    let port: UInt16

    init(_ url: HTTPURL) {
        isSecure = url.isSecure
        host = url.host
        port = url.port
    }
}
