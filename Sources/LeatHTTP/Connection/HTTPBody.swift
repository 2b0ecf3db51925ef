/// The body of a message that is sent: a request's or a response's.
public struct HTTPBody: Sendable {
    package enum Content: Sendable {
        case none
        case bytes([UInt8])
        case stream(length: Int?, Producer)
    }

    /// What writes a stream. An object, to keep the bodies of requests without one small.
    package final class Producer: Sendable {
        fileprivate let isReplayable: Bool
        private let produce: @Sendable (HTTPBodyWriter) async throws -> Void
        /// For a 101 response: what goes on with the connection.
        let takeOver: (@Sendable (HTTPUpgradedStream) async throws -> Void)?

        fileprivate init(isReplayable: Bool, _ produce: @escaping @Sendable (HTTPBodyWriter) async throws -> Void) {
            self.isReplayable = isReplayable
            self.produce = produce
            takeOver = nil
        }

        init(takeOver: @escaping @Sendable (HTTPUpgradedStream) async throws -> Void) {
            isReplayable = false
            produce = { _ in throw HTTPError(.invalidRequest, "an upgrade is no body: its response has status 101") }
            self.takeOver = takeOver
        }

        package func callAsFunction(_ writer: HTTPBodyWriter) async throws { try await produce(writer) }
    }

    package let content: Content

    /// No body.
    public static let none = HTTPBody(content: .none)

    /// A body of these bytes, sent with a Content-Length.
    public static func bytes(_ bytes: [UInt8]) -> HTTPBody {
        HTTPBody(content: .bytes(bytes))
    }

    /// A body of the UTF-8 of this text, sent with a Content-Length.
    public static func text(_ text: String) -> HTTPBody {
        .bytes(Array(text.utf8))
    }

    /// A body that `produce` writes while it is sent, with back-pressure: each write returns when the kernel has taken it.
    ///
    /// With a `length` the body must have exactly that many bytes, or the exchange fails; without one it is chunked.
    ///
    /// - Parameter isReplayable: Whether `produce` writes the same each time it is called. By default it is called at most
    ///   once: such a request is never retried, and no redirect that wants the body again is followed.
    public static func stream(
        length: Int? = nil,
        isReplayable: Bool = false,
        _ produce: @escaping @Sendable (HTTPBodyWriter) async throws -> Void
    ) -> HTTPBody {
        precondition(length ?? 0 >= 0, "a body cannot have a negative length")
        return HTTPBody(content: .stream(length: length, Producer(isReplayable: isReplayable, produce)))
    }

    /// The length, if it is known before sending.
    public var length: Int? {
        switch content {
        case .none: 0
        case .bytes(let bytes): bytes.count
        case .stream(let length, _): length
        }
    }

    /// Whether sending it a second time sends the same.
    package var isReplayable: Bool {
        if case .stream(_, let producer) = content { producer.isReplayable } else { true }
    }
}
