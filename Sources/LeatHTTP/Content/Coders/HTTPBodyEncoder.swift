/// Turns values into bodies. The library brings none: an adapter to the encoder of your choice is a few lines, as the guide
/// to forms and JSON shows for Foundation's.
public protocol HTTPBodyEncoder {
    /// What `Content-Type` says of the bodies.
    var mediaType: HTTPMediaType { get }

    /// The body that stands for a value.
    func encode(_ value: some Encodable) throws -> [UInt8]
}

extension HTTPClientRequest {
    /// Makes a request whose body stands for `value`, with the encoder's `Content-Type` unless `headerFields` has one.
    /// Throws what the encoder throws.
    public init(
        _ method: HTTPRequest.Method = .post,
        _ url: HTTPURL,
        headerFields: HTTPFields = HTTPFields(),
        encoding value: some Encodable,
        with encoder: some HTTPBodyEncoder
    ) throws {
        self.init(method, url, headerFields: headerFields, body: .bytes(try encoder.encode(value)))
        self.headerFields.setDefault(encoder.mediaType)
    }
}

extension HTTPClient {
    /// Sends a value with POST and collects the response; see ``request(_:_:headerFields:body:upTo:)``. Throws what the
    /// encoder throws, too.
    public func post(
        _ url: HTTPURL,
        encoding value: some Encodable,
        with encoder: some HTTPBodyEncoder,
        headerFields: HTTPFields = HTTPFields()
    ) async throws -> HTTPClientResponse {
        let request = try HTTPClientRequest(.post, url, headerFields: headerFields, encoding: value, with: encoder)
        return try await self.request(.post, url, headerFields: request.headerFields, body: request.body)
    }
}

extension HTTPServerResponse {
    /// Makes a response whose body stands for `value`, with the encoder's `Content-Type` unless `headerFields` has one.
    /// Throws what the encoder throws.
    public init(
        status: HTTPResponse.Status = .ok,
        headerFields: HTTPFields = HTTPFields(),
        encoding value: some Encodable,
        with encoder: some HTTPBodyEncoder
    ) throws {
        self.init(status: status, headerFields: headerFields, body: .bytes(try encoder.encode(value)))
        self.headerFields.setDefault(encoder.mediaType)
    }
}

extension HTTPFields {
    fileprivate mutating func setDefault(_ mediaType: HTTPMediaType) {
        if !contains(.contentType) { self[.contentType] = "\(mediaType)" }
    }
}
