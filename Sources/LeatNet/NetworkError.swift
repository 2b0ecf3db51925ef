import CLinux
import Glibc
public import LeatLoop
package import LeatReactor

/// A network operation that failed: what kind of failure, in which operation, and the `errno` if there was one.
public struct NetworkError: TimeLimitError, Hashable, Sendable, CustomStringConvertible {
    /// The kinds of failure. More may be added; compare with the ones you handle.
    public struct Kind: Hashable, Sendable {
        fileprivate enum Value: Hashable {
            case reset, refused, unreachable, timedOut, closed, busy, incompleteWrite, nameNotFound, addressInUse
            case system
        }

        fileprivate let value: Value

        /// The peer broke the connection, or vanished: ECONNRESET, EPIPE, ECONNABORTED.
        public static let reset = Kind(value: .reset)
        /// Nobody listens there: ECONNREFUSED.
        public static let refused = Kind(value: .refused)
        /// No route to the host or its network.
        public static let unreachable = Kind(value: .unreachable)
        /// A deadline passed, or the kernel gave up (ETIMEDOUT).
        public static let timedOut = Kind(value: .timedOut)
        /// The stream or listener was closed on this side.
        public static let closed = Kind(value: .closed)
        /// Two tasks wanted the same direction of one stream at once.
        public static let busy = Kind(value: .busy)
        /// An earlier write to this stream was cancelled, or failed, after it had sent a part; see ``TCPStream``.
        public static let incompleteWrite = Kind(value: .incompleteWrite)
        /// A name did not resolve.
        public static let nameNotFound = Kind(value: .nameNotFound)
        /// Somebody else listens there: EADDRINUSE.
        public static let addressInUse = Kind(value: .addressInUse)
        /// Anything else that the kernel reports; see ``NetworkError/code``.
        public static let system = Kind(value: .system)
    }

    public let kind: Kind
    /// The value of `errno`; 0 if no system call failed.
    public let code: Int32
    /// What was attempted, such as `connect to 127.0.0.1:80`.
    public let operation: String
    private let detail: String

    /// For example `connect to 127.0.0.1:80: Connection refused (111)`.
    public var description: String { "\(operation): \(detail)" }

    package init(_ kind: Kind, operation: String, detail: String) {
        self.kind = kind
        self.operation = operation
        self.detail = detail
        code = 0
    }

    package init(code: Int32, operation: String) {
        kind = Self.kind(of: code)
        self.code = code
        self.operation = operation
        detail = "\(String(cString: strerror(code))) (\(code))"
    }

    package init(_ error: SystemError) {
        self.init(code: error.code, operation: error.operation)
    }

    private static func kind(of code: Int32) -> Kind {
        switch code {
        case ECONNRESET, EPIPE, ECONNABORTED: .reset
        case ECONNREFUSED: .refused
        case EHOSTUNREACH, ENETUNREACH: .unreachable
        case ETIMEDOUT: .timedOut
        case EADDRINUSE: .addressInUse
        default: .system
        }
    }

    package var isTimeout: Bool { kind == .timedOut }

    // Made elsewhere and boxed, since the frame of an asynchronous function would hold each one that it may throw.

    @inline(never)
    package static func busy(_ operation: String) -> any Error {
        NetworkError(.busy, operation: operation, detail: "another task is doing the same")
    }

    @inline(never)
    package static func incompleteWrite(_ operation: String) -> any Error {
        let detail = "an earlier write was cut short, so the peer would take these bytes for its rest; abort the stream"
        return NetworkError(.incompleteWrite, operation: operation, detail: detail)
    }

    @inline(never)
    package static func closed(_ operation: String) -> any Error {
        NetworkError(.closed, operation: operation, detail: "it is closed")
    }

    @inline(never)
    package static func timedOut(_ operation: String) -> any Error {
        NetworkError(.timedOut, operation: operation, detail: "the deadline passed")
    }
}

extension Wake {
    /// Throws for a wait that did not end with what was waited for: ``NetworkError`` of kind `.timedOut`, or
    /// `CancellationError`.
    package func check(_ operation: @autoclosure () -> String) throws {
        switch self {
        case .ready: break
        case .deadline: throw NetworkError.timedOut(operation())
        case .cancelled: throw CancellationError()
        }
    }
}
