import LeatNet

/// How the connections to an origin are made.
enum Route: Sendable {
    case direct
    /// To this socket, whatever the URL's host.
    case unix(SocketAddress)
    /// To a proxy, which is told the whole URL of each request.
    case forward(HTTPProxy)
    /// To a proxy, which then connects us to the origin.
    case tunnel(HTTPProxy)

    init(to url: HTTPURL, _ configuration: HTTPClient.Configuration) {
        if let socket = configuration.unixSocket {
            self = .unix(socket)
        } else if let proxy = configuration.proxy.proxy(for: url) {
            self = url.isSecure ? .tunnel(proxy) : .forward(proxy)
        } else {
            self = .direct
        }
    }

    var proxy: HTTPProxy? {
        switch self {
        case .direct, .unix: nil
        case .forward(let proxy), .tunnel(let proxy): proxy
        }
    }
}
