import Glibc

/// Through which proxies a client sends which requests.
///
/// ```swift
/// configuration.proxy = .via("http://proxy.example:3128", except: "localhost, .internal.example, 10.0.0.0/8")
/// configuration.proxy = try .fromEnvironment()
/// ```
public struct HTTPProxyConfiguration: Sendable, Hashable {
    /// For `http` URLs; nil for none.
    public var http: HTTPProxy?
    /// For `https` URLs; nil for none.
    public var https: HTTPProxy?
    /// The hosts that are reached directly all the same.
    public var exceptions = NoProxyList()

    public init(http: HTTPProxy? = nil, https: HTTPProxy? = nil, exceptions: NoProxyList = NoProxyList()) {
        self.http = http
        self.https = https
        self.exceptions = exceptions
    }

    /// Every host is reached directly.
    public static var none: Self { Self() }

    /// One proxy for all URLs.
    public static func via(_ proxy: HTTPProxy, except exceptions: NoProxyList = NoProxyList()) -> Self {
        Self(http: proxy, https: proxy, exceptions: exceptions)
    }

    /// What the environment says, as curl reads it: `http_proxy`, `https_proxy`, `all_proxy` for what those leave open, and
    /// `no_proxy`. All but the first may be in upper case instead; one that is empty counts as not set.
    ///
    /// `HTTP_PROXY` is not looked at: in a CGI program it is a header field of whoever sent the request.
    /// Throws ``HTTPError`` of kind `.proxy` that names the variable.
    public static func fromEnvironment() throws(HTTPError) -> Self {
        try Self(environment: { getenv($0).map { String(cString: $0) } })
    }

    /// `environment` gives the value of a variable.
    package init(environment: (String) -> String?) throws(HTTPError) {
        func proxy(_ names: [String]) throws(HTTPError) -> HTTPProxy? {
            for name in names {
                guard let text = environment(name), !text.isEmpty else { continue }
                do throws(HTTPError) {
                    return try HTTPProxy(parsing: text)
                } catch {
                    throw HTTPError(.proxy, "\(name): \(error.message)")
                }
            }
            return nil
        }
        http = try proxy(["http_proxy", "all_proxy", "ALL_PROXY"])
        https = try proxy(["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
        exceptions = NoProxyList(environment: environment)
    }

    /// Whether there is a proxy at all.
    var isUsed: Bool { http != nil || https != nil }

    func proxy(for url: HTTPURL) -> HTTPProxy? {
        guard let proxy = url.isSecure ? https : http else { return nil }
        return exceptions.contains(host: url.host, port: url.port) ? nil : proxy
    }
}

extension NoProxyList {
    /// `no_proxy`, or `NO_PROXY`; see ``HTTPProxyConfiguration/fromEnvironment()``.
    package init(environment: (String) -> String?) {
        let values = ["no_proxy", "NO_PROXY"].lazy.compactMap(environment)
        self.init(values.first { !$0.isEmpty } ?? "")
    }
}
