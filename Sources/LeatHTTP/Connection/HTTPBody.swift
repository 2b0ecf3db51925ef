/// The body of a message that is sent: a request's or a response's.
///
/// A body knows what it is: text, HTML, JSON, a form or a file of a known type. Its message gets the `Content-Type` from it. A
/// `Content-Type` among the header fields wins over that. Bytes and streams have no type unless one is given.
public struct HTTPBody: Sendable {
    package enum Content: Sendable {
        case none
        case bytes([UInt8])
        case stream(Producer)
    }

    /// What writes a stream, and all else that few bodies have. It is an object because the body is copied with every request and
    /// every response.
    package final class Producer: Sendable {
        /// How many bytes it writes; nil if that is not known.
        package let length: Int?
        fileprivate let isReplayable: Bool
        /// The complete field line of a content type that is not one of ``HTTPContentType``.
        fileprivate let contentTypeLine: [UInt8]?
        private let produce: @Sendable (HTTPBodyWriter) async throws -> Void
        /// For a 101 response: what goes on with the connection.
        let takeOver: (@Sendable (HTTPUpgradedStream) async throws -> Void)?

        fileprivate init(
            length: Int?,
            isReplayable: Bool,
            contentTypeLine: [UInt8]?,
            _ produce: @escaping @Sendable (HTTPBodyWriter) async throws -> Void
        ) {
            self.length = length
            self.isReplayable = isReplayable
            self.contentTypeLine = contentTypeLine
            self.produce = produce
            takeOver = nil
        }

        fileprivate init(takeOver: @escaping @Sendable (HTTPUpgradedStream) async throws -> Void) {
            length = nil
            isReplayable = false
            contentTypeLine = nil
            produce = { _ in throw HTTPError(.invalidRequest, "an upgrade is no body: its response has status 101") }
            self.takeOver = takeOver
        }

        package func callAsFunction(_ writer: HTTPBodyWriter) async throws { try await produce(writer) }
    }

    package let content: Content
    /// The type, if it is a common one. Another one is in the producer.
    private let commonType: HTTPContentType?

    private init(_ content: Content, _ type: HTTPContentType? = nil) {
        self.content = content
        commonType = type
    }

    // MARK: Making one

    /// No body.
    public static let none = HTTPBody(.none)

    /// A body of these bytes, sent with a Content-Length.
    ///
    /// - Parameter contentType: The media type, such as `image/png`; nil for none. Sending fails if it contains a control
    ///   character. A common type costs nothing. Another type costs an object, and the bytes are sent as a stream is.
    public static func bytes(_ bytes: [UInt8], contentType: String? = nil) -> HTTPBody {
        guard let contentType else { return HTTPBody(.bytes(bytes)) }
        if let common = HTTPContentType(value: contentType) { return HTTPBody(.bytes(bytes), common) }
        return .stream(length: bytes.count, contentType: contentType, isReplayable: true) { writer in
            try await writer.write(bytes)
        }
    }

    /// A body of the UTF-8 of this text, sent with a Content-Length, as `text/plain; charset=utf-8`.
    public static func text(_ text: String) -> HTTPBody {
        HTTPBody(.bytes(Array(text.utf8)), .text)
    }

    /// A body of the UTF-8 of this page, sent with a Content-Length, as `text/html; charset=utf-8`. The text is sent as it is:
    /// what comes from somebody else has to be escaped before.
    public static func html(_ page: String) -> HTTPBody {
        HTTPBody(.bytes(Array(page.utf8)), .html)
    }

    /// A body of these bytes, which are JSON, sent with a Content-Length, as `application/json` (RFC 8259). They are not checked.
    public static func json(_ bytes: [UInt8]) -> HTTPBody {
        HTTPBody(.bytes(bytes), .json)
    }

    /// A body of these bytes of a common type.
    package static func bytes(_ bytes: [UInt8], _ type: HTTPContentType) -> HTTPBody {
        HTTPBody(.bytes(bytes), type)
    }

    /// A body that `produce` writes while it is sent. Its writes wait while the peer does not take it; see ``HTTPBodyWriter``.
    ///
    /// With a `length` the body must have exactly that many bytes, or the exchange fails; without one it is chunked.
    ///
    /// - Parameters:
    ///   - contentType: The media type, such as `text/event-stream`; nil for none. Sending fails if it contains a control
    ///     character.
    ///   - isReplayable: Whether `produce` writes the same each time it is called. By default it is called at most
    ///     once: such a request is never retried, and no redirect that wants the body again is followed.
    public static func stream(
        length: Int? = nil,
        contentType: String? = nil,
        isReplayable: Bool = false,
        _ produce: @escaping @Sendable (HTTPBodyWriter) async throws -> Void
    ) -> HTTPBody {
        let common = contentType.flatMap { HTTPContentType(value: $0) }
        let line = common == nil ? contentType.map { Array("Content-Type: \($0)\r\n".utf8) } : nil
        return stream(length, isReplayable, common, line, produce)
    }

    /// A stream of a common type, or of none.
    static func stream(
        length: Int?,
        isReplayable: Bool,
        type: HTTPContentType?,
        _ produce: @escaping @Sendable (HTTPBodyWriter) async throws -> Void
    ) -> HTTPBody {
        stream(length, isReplayable, type, nil, produce)
    }

    private static func stream(
        _ length: Int?,
        _ isReplayable: Bool,
        _ type: HTTPContentType?,
        _ line: [UInt8]?,
        _ produce: @escaping @Sendable (HTTPBodyWriter) async throws -> Void
    ) -> HTTPBody {
        precondition(length ?? 0 >= 0, "a body cannot have a negative length")
        let producer = Producer(length: length, isReplayable: isReplayable, contentTypeLine: line, produce)
        return HTTPBody(.stream(producer), type)
    }

    /// For a 101 response: what goes on with the connection.
    static func takeOver(_ takeOver: @escaping @Sendable (HTTPUpgradedStream) async throws -> Void) -> HTTPBody {
        HTTPBody(.stream(Producer(takeOver: takeOver)))
    }

    // MARK: What is known before sending

    /// The length, if it is known before sending.
    public var length: Int? {
        switch content {
        case .none: 0
        case .bytes(let bytes): bytes.count
        case .stream(let producer): producer.length
        }
    }

    /// Whether sending it a second time sends the same.
    package var isReplayable: Bool {
        if case .stream(let producer) = content { producer.isReplayable } else { true }
    }

    /// The field line that says what the body is; nil if nothing does.
    package var contentTypeLine: HTTPContentTypeLine? {
        if let commonType { return .common(commonType) }
        guard case .stream(let producer) = content, let line = producer.contentTypeLine else { return nil }
        return .custom(line)
    }

    /// The media type of the body, for example `text/plain; charset=utf-8`; nil if it has none.
    package var contentType: String? {
        switch contentTypeLine {
        case .common(let type): type.value
        case .custom(let line): String(decoding: line[HTTPContentTypeLine.valueRange(of: line)], as: UTF8.self)
        case nil: nil
        }
    }
}
