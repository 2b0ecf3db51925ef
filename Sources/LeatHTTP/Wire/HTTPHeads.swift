/// The versions of HTTP that this library speaks.
package enum HTTPVersion: UInt8, Hashable, Sendable {
    case http10
    case http11
}

/// Where the body of a message ends (RFC 9112 §6).
package enum HTTPBodyFraming: Hashable, Sendable {
    /// There is no body.
    case none
    /// So many octets, as `Content-Length` says. Zero is possible.
    case length(Int)
    /// Chunks, as `Transfer-Encoding: chunked` says.
    case chunked
    /// A response which ends when the connection does.
    case untilClose
    /// The connection is no longer HTTP after this head: 101, or 2xx to `CONNECT`.
    case tunnel
}

/// A request head as received, with what it says about the connection.
package struct HTTPRequestHead: Hashable, Sendable {
    package var request: HTTPRequest
    package var version: HTTPVersion
    package var framing: HTTPBodyFraming
    /// Whether the client lets the connection serve another request (RFC 9112 §9.3).
    package var keepAlive: Bool
    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    package var expectsContinue: Bool
    /// Whether the client offers another protocol: `Upgrade`, named in `Connection` (RFC 9110 §7.8).
    package var offersUpgrade: Bool
}

/// A response head as received, with what it says about the connection.
package struct HTTPResponseHead: Hashable, Sendable {
    package var response: HTTPResponse
    package var version: HTTPVersion
    package var framing: HTTPBodyFraming
    /// Whether the connection may carry another request when the body has ended. Never for `untilClose` and `tunnel`.
    package var keepAlive: Bool
    /// Whether this is a 1xx response other than 101: no body and no `.end` follow, but another head.
    package var isInterim: Bool
    /// Whether the body is coded, or said to be: there is a `Content-Encoding`.
    package var hasContentEncoding: Bool
}
