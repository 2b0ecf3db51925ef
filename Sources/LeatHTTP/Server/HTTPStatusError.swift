/// What a server's handler throws to answer with a status, from however deep it is.
///
/// ```swift
/// guard let book = books[id] else { throw HTTPStatusError(.notFound) }
/// guard book.isFree else { throw HTTPStatusError(.conflict, "the book is lent out") }
/// ```
///
/// The answer is an ordinary one: the connection goes on, and nothing is reported as a failure of the server.
public struct HTTPStatusError: Error, Sendable, CustomStringConvertible {
    /// The status of the response. One that no final response can have, outside 200 to 999, is answered with 500.
    public var status: HTTPResponse.Status
    /// The body of the response, sent to the client as `text/plain; charset=utf-8`. Nil for an empty body.
    public var message: String?
    /// The header fields of the response, such as `Retry-After` or `WWW-Authenticate`.
    public var headerFields: HTTPFields

    /// Makes an error that a handler throws.
    ///
    /// - Parameters:
    ///   - status: The status of the response.
    ///   - message: What the client reads: it should tell nothing that the client may not know. By default the body is empty.
    ///   - headerFields: More header fields of the response. A `Content-Type` among them is the one of the message.
    public init(_ status: HTTPResponse.Status, _ message: String? = nil, headerFields: HTTPFields = HTTPFields()) {
        self.status = status
        self.message = message
        self.headerFields = headerFields
    }

    /// For example `409 Conflict: the book is lent out`.
    public var description: String { message.map { "\(status): \($0)" } ?? "\(status)" }
}
