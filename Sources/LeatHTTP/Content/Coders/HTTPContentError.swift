/// A message whose body was not decoded, because its head says that it is something else.
public struct HTTPContentError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kinds of failure. More may be added; compare with the ones you handle.
    public struct Kind: Hashable, Sendable {
        fileprivate let name: String

        /// The status of a response is not one of 200 to 299.
        public static var status: Kind { Kind(name: "status") }
        /// The `Content-Type` is missing, malformed, or none that the decoder accepts.
        public static var contentType: Kind { Kind(name: "content type") }
    }

    public let kind: Kind
    /// The status of the response; nil for a request.
    public let status: HTTPResponse.Status?
    /// The type of the body; nil if there was none, or a malformed one.
    public let mediaType: HTTPMediaType?
    /// What exactly is wrong, in words.
    public let message: String

    /// For example `content type: the body is text/html, which the decoder does not accept`.
    public var description: String { "\(kind.name): \(message)" }

    fileprivate init(_ kind: Kind, _ status: HTTPResponse.Status?, _ mediaType: HTTPMediaType?, _ message: String) {
        self.kind = kind
        self.status = status
        self.mediaType = mediaType
        self.message = message
    }

    /// Throws unless a body with this head can be decoded.
    static func check(
        _ status: HTTPResponse.Status?,
        _ fields: HTTPFields,
        _ decoder: some HTTPBodyDecoder
    ) throws(HTTPContentError) {
        let type = fields.mediaType
        if let status, status.kind != .successful {
            throw HTTPContentError(.status, status, type, "the response has the status \(status)")
        }
        guard let type else {
            let problem = fields.contains(.contentType) ? "malformed" : "missing"
            throw HTTPContentError(.contentType, status, nil, "the Content-Type of the body is \(problem)")
        }
        guard decoder.accepts(type) else {
            let message = "the body is \(type.essence), which the decoder does not accept"
            throw HTTPContentError(.contentType, status, type, message)
        }
    }
}
