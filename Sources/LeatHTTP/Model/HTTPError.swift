public import LeatLoop
import LeatNet

/// An HTTP exchange that failed: in which way, and why.
///
/// A response with a 4xx or 5xx status is not an error. Network failures before or between messages appear as `.connect`
/// and `.connection` with their ``underlying`` cause.
public struct HTTPError: TimeLimitError, Sendable, CustomStringConvertible {
    /// The kinds of failure. More may be added; compare with the ones you handle.
    public struct Kind: Hashable, Sendable {
        fileprivate let name: String

        /// No connection could be made.
        public static var connect: Kind { Kind(name: "connect") }
        /// TLS could not be agreed on, or failed: ``underlying`` is a `TLSError` that says whether it was the certificate.
        public static var tls: Kind { Kind(name: "TLS") }
        /// The connection failed during the exchange.
        public static var connection: Kind { Kind(name: "connection") }
        /// The peer ended the connection in the middle of a message, or without an answer.
        public static var incomplete: Kind { Kind(name: "incomplete message") }
        /// A timeout of the configuration ran out.
        public static var timeout: Kind { Kind(name: "timeout") }
        /// The peer sent something that is not HTTP/1.1, or is refused because it could be taken in two ways.
        public static var malformed: Kind { Kind(name: "malformed message") }
        /// A body was larger than the caller or the configuration allows.
        public static var bodyTooLarge: Kind { Kind(name: "body too large") }
        /// A body is not what its `Content-Encoding` says: damaged, followed by something else, or coded too many times.
        public static var contentCoding: Kind { Kind(name: "content coding") }
        /// A compressed body became so much larger that it is taken for an attack.
        public static var compressionRatio: Kind { Kind(name: "compression ratio") }
        /// A line of a body was longer than the caller allows.
        public static var lineTooLong: Kind { Kind(name: "line too long") }
        /// A server-sent event was larger than the caller allows.
        public static var eventTooLarge: Kind { Kind(name: "event too large") }
        /// The text is in a character encoding that this library does not know.
        public static var unknownCharset: Kind { Kind(name: "unknown charset") }
        /// A library that is loaded when it is first needed is not installed.
        public static var libraryUnavailable: Kind { Kind(name: "library unavailable") }
        /// The caller asked for something that cannot be sent, such as a field value with a line end in it.
        public static var invalidRequest: Kind { Kind(name: "invalid request") }
        /// The caller's body did not have the length it promised.
        public static var bodyLength: Kind { Kind(name: "wrong body length") }
        /// A redirect that cannot be followed, or too many of them.
        public static var redirect: Kind { Kind(name: "redirect") }
        /// A proxy made no connection to the origin, for the reason in ``proxyStatus`` if it gave one; or its URL is wrong.
        public static var proxy: Kind { Kind(name: "proxy") }
        /// The client was shut down.
        public static var shutdown: Kind { Kind(name: "client shut down") }
    }

    /// The part of a request in which a timeout ran out.
    public enum Phase: String, Hashable, Sendable {
        /// Waiting for the turn that a rate limit gives: the last phase of a request that a `withDeadline` around it ended.
        case rate = "rate limit"
        /// Waiting for a connection of the pool to become free.
        case pool
        /// Looking up the host's addresses.
        case resolve
        /// Making the TCP connection; with a proxy, the tunnel as well.
        case connect
        /// The TLS handshake.
        case tls
        /// Waiting for the peer to take more of what is sent.
        case send
        /// Waiting for the first byte of the response.
        case firstByte = "first byte"
        /// Waiting for the next bytes of the response.
        case read
        /// The whole request.
        case total
    }

    public let kind: Kind
    /// For a ``Kind/timeout``, which one.
    public let phase: Phase?
    /// For a ``Kind/timeout``, how long the exchange had taken.
    public let elapsed: Duration?
    /// For a ``Kind/proxy``, the status with which it refused; nil if it gave none.
    public let proxyStatus: HTTPResponse.Status?
    /// What exactly happened, in words.
    public let message: String
    /// The error beneath, such as a `NetworkError`.
    public let underlying: (any Error)?
    /// Whether an ``HTTPClient`` threw it. In a server's handler, such an error is not about the request that is answered.
    package private(set) var isUpstream = false

    /// For example `timeout: first byte took longer than 60.0 seconds (60.2 seconds after the request began)`.
    public var description: String { "\(kind.name): \(message)" }

    package init(
        _ kind: Kind,
        _ message: String,
        underlying: (any Error)? = nil,
        proxyStatus: HTTPResponse.Status? = nil
    ) {
        self.kind = kind
        self.proxyStatus = proxyStatus
        self.message = message
        self.underlying = underlying
        phase = nil
        elapsed = nil
    }

    /// A timeout of `limit` that ran out in an exchange that began `elapsed` ago. That of the whole request names the phase
    /// that it was in.
    package init(
        timeout phase: Phase,
        in last: Phase? = nil,
        limit: Duration,
        elapsed: Duration,
        underlying: (any Error)? = nil
    ) {
        kind = .timeout
        message =
            phase == .total
            ? "the request took longer than \(limit)" + (last.map { "; its last phase was \($0.rawValue)" } ?? "")
            : "\(phase.rawValue) took longer than \(limit) (\(elapsed) after the request began)"
        self.underlying = underlying
        self.phase = phase
        self.elapsed = elapsed
        proxyStatus = nil
    }

    /// This error as one that a client throws.
    package var asUpstream: HTTPError {
        var error = self
        error.isUpstream = true
        return error
    }

    package var isTimeout: Bool { kind == .timeout }

    /// Wraps a failure of the connection beneath; anything else (a cancellation, a caller's own error) stays as it is.
    package static func wrapping(_ error: any Error, as kind: Kind = .connection) -> any Error {
        switch error {
        case let error as NetworkError: HTTPError(kind, error.description, underlying: error)
        case let error as TLSError:
            // To HTTP it is the same as a connection that ends in the middle of a message (RFC 9112 §9.8).
            HTTPError(error.kind == .truncated ? .incomplete : .tls, error.description, underlying: error)
        case let error as HTTPParseError:
            HTTPError(error.kind == .truncated ? .incomplete : .malformed, error.description, underlying: error)
        default: error
        }
    }
}
