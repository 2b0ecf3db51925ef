import LeatNet
package import LeatReactor

/// An HTTP exchange that failed: in which way, and why.
///
/// A response with a 4xx or 5xx status is not an error. Network failures before or between messages appear as `.connect`
/// and `.connection` with their ``underlying`` cause.
public struct HTTPError: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure. More may be added; compare with the ones you handle.
    public struct Kind: Hashable, Sendable {
        fileprivate let name: String

        /// No connection could be made.
        public static var connect: Kind { Kind(name: "connect") }
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
        /// The caller asked for something that cannot be sent, such as a field value with a line end in it.
        public static var invalidRequest: Kind { Kind(name: "invalid request") }
        /// The caller's body did not have the length it promised.
        public static var bodyLength: Kind { Kind(name: "wrong body length") }
        /// The client was shut down.
        public static var shutdown: Kind { Kind(name: "client shut down") }
    }

    public let kind: Kind
    /// What exactly happened, in words.
    public let message: String
    /// The error beneath, such as a `NetworkError`.
    public let underlying: (any Error)?

    /// For example `timeout: no response within 60.0 seconds`.
    public var description: String { "\(kind.name): \(message)" }

    package init(_ kind: Kind, _ message: String, underlying: (any Error)? = nil) {
        self.kind = kind
        self.message = message
        self.underlying = underlying
    }

    /// Like ``wrapping(_:as:)``, for a read: a timeout becomes one that says which of the two limits it was.
    package static func wrapping(
        _ error: any Error,
        readTimeout: Int64,
        deadline: LoopInstant,
        now: LoopInstant
    ) -> any Error {
        guard let network = error as? NetworkError, network.kind == .timedOut else { return wrapping(error) }
        let message =
            deadline <= now
            ? "the exchange took longer than its total timeout"
            : "nothing was received for \(Duration.nanoseconds(readTimeout))"
        return HTTPError(.timeout, message, underlying: error)
    }

    /// Wraps a failure of the connection beneath; anything else (a cancellation, a caller's own error) stays as it is.
    package static func wrapping(_ error: any Error, as kind: Kind = .connection) -> any Error {
        switch error {
        case let error as NetworkError: HTTPError(kind, error.description, underlying: error)
        case let error as HTTPParseError: HTTPError(.malformed, error.description, underlying: error)
        default: error
        }
    }
}
