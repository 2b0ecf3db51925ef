/// A form with files, as `multipart/form-data` (RFC 7578). It is put together while it is sent.
///
/// ```swift
/// var form = MultipartForm()
/// try form.append(.text("Midsummer"), name: "title")
/// try await form.appendFile(at: "/home/me/photo.jpeg", name: "photo", contentType: "image/jpeg")
/// let response = try await client.post(url, form: form)
/// ```
///
/// Names and file names are written as browsers do it (HTML, "multipart/form-data encoding algorithm"): UTF-8, with `"` as
/// `%22`, CR as `%0D` and LF as `%0A`. Parts are told apart by 128 random bits, which nobody can have put into one.
public struct MultipartForm: Sendable {
    private struct Part: Sendable {
        /// The delimiter before the part, and its header fields.
        var head: [UInt8]
        var body: HTTPBody
    }

    private let boundary: String
    private var parts: [Part] = []

    /// The length of the form in bytes; nil if that of a part is not known, and the form is sent in chunks.
    public private(set) var length: Int?

    /// Makes an empty form, with a boundary of its own.
    public init() {
        var generator = SystemRandomNumberGenerator()
        self.init(using: &generator)
    }

    /// Makes an empty form, whose boundary is made of `generator`'s numbers.
    init(using generator: inout some RandomNumberGenerator) {
        boundary = "leat-\(String(generator.next(), radix: 36))-\(String(generator.next(), radix: 36))"
        length = end.count
    }

    /// What `Content-Type` says of the form: it names the boundary.
    public var contentType: String { "multipart/form-data; boundary=\(boundary)" }

    // MARK: Parts

    /// Adds a part: a field, or a file if it has a file name.
    ///
    /// - Parameters:
    ///   - body: Text, bytes, a file or a stream. A stream that has a length must keep to it, or sending fails with `.bodyLength`.
    ///   - name: The name of the field. Names may repeat.
    ///   - filename: What the form calls the file; nil for a field.
    ///   - contentType: A media type such as `image/png` (RFC 9110 §8.3.1). By default a file has the type of its body, or
    ///     `application/octet-stream` if that has none; a field has none, which stands for text.
    /// - Throws: ``HTTPError`` of kind `.invalidRequest` if `name` or `filename` contains a control character other than
    ///   tab, CR and LF, if `contentType` is not a media type, or if the form becomes longer than `Int.max`.
    public mutating func append(
        _ body: HTTPBody,
        name: String,
        filename: String? = nil,
        contentType: String? = nil
    ) throws(HTTPError) {
        var head = "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(try Self.escaped(name))\""
        if let filename { head += "; filename=\"\(try Self.escaped(filename))\"" }
        if let contentType = contentType ?? filename.map({ _ in body.contentType ?? "application/octet-stream" }) {
            guard let type = HTTPMediaType(contentType) else {
                throw HTTPError(.invalidRequest, "the content type of a part of a form is not a media type")
            }
            head += "\r\nContent-Type: \(type)"
        }
        let part = Part(head: Array("\(head)\r\n\r\n".utf8), body: body)
        if let whole = length, let own = body.length {
            let frame = part.head.count + Self.lineEnd.count
            let (sum, overflow) = whole.addingReportingOverflow(frame)
            let (total, isTooLong) = sum.addingReportingOverflow(own)
            guard !overflow, !isTooLong else { throw HTTPError(.invalidRequest, "the form is too long") }
            length = total
        } else {
            length = nil
        }
        parts.append(part)
    }

    /// Adds a file; see ``HTTPBody/file(at:)`` for how it is read, and what that throws.
    ///
    /// - Parameters:
    ///   - filename: What the form calls it; by default the last part of the path.
    ///   - contentType: A media type such as `image/png`. By default the one that the end of the path says, or
    ///     `application/octet-stream` if that says none.
    public mutating func appendFile(
        at path: String,
        name: String,
        filename: String? = nil,
        contentType: String? = nil
    ) async throws {
        let ownName = path.utf8.split(separator: ASCII.slash).last.map { String(Substring($0)) } ?? ""
        try append(try await .file(at: path), name: name, filename: filename ?? ownName, contentType: contentType)
    }

    /// A name between quotes. What browsers encode cannot end the quotes or the line; what they would send as it is, and no
    /// field value may contain, is refused.
    private static func escaped(_ name: String) throws(HTTPError) -> String {
        var escaped: [UInt8] = []
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "\""): escaped += "%22".utf8
            case ASCII.carriageReturn: escaped += "%0D".utf8
            case ASCII.lineFeed: escaped += "%0A".utf8
            case _ where ASCII.isFieldValue(byte): escaped.append(byte)
            default: throw HTTPError(.invalidRequest, "a name in a form contains \(ASCII.describe(byte))")
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }

    // MARK: Sending

    /// The form as a body of type ``contentType``. It can be sent again if that is true of all its parts: files are opened anew.
    public var body: HTTPBody {
        let isReplayable = parts.allSatisfy(\.body.isReplayable)
        return .stream(length: length, contentType: contentType, isReplayable: isReplayable) { [parts, end] writer in
            // Heads and short parts go out together.
            var pending: [UInt8] = []
            for part in parts {
                pending += part.head
                if case .bytes(let bytes) = part.body.content, bytes.count <= Self.copiedSize {
                    pending += bytes
                } else {
                    try await writer.write(pending)
                    pending.removeAll(keepingCapacity: true)
                    try await writer.write(part.body)
                }
                pending += Self.lineEnd
            }
            try await writer.write(pending + end)
        }
    }

    /// Up to this size the bytes of a part are copied behind its head.
    private static var copiedSize: Int { 16384 }

    /// After the content of a part; it belongs to the delimiter that follows.
    private static var lineEnd: [UInt8] { [ASCII.carriageReturn, ASCII.lineFeed] }

    private var end: [UInt8] { Array("--\(boundary)--\r\n".utf8) }
}

extension HTTPClientRequest {
    /// Makes a request that sends a form, with the form's `Content-Type`.
    public init(
        _ method: HTTPRequest.Method = .post,
        _ url: HTTPURL,
        headerFields: HTTPFields = HTTPFields(),
        form: MultipartForm
    ) {
        self.init(method, url, headerFields: headerFields, body: form.body)
        self.headerFields[.contentType] = form.contentType
    }
}

extension HTTPClient {
    /// Sends a form with files with POST and collects the response; see ``request(_:_:headerFields:body:upTo:)``.
    public func post(
        _ url: HTTPURL,
        form: MultipartForm,
        headerFields: HTTPFields = HTTPFields()
    ) async throws -> HTTPClientResponse {
        let request = HTTPClientRequest(.post, url, headerFields: headerFields, form: form)
        return try await self.request(.post, url, headerFields: request.headerFields, body: request.body)
    }
}
