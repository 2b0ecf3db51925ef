/// Turns bodies into values; see ``HTTPBodyEncoder``.
public protocol HTTPBodyDecoder {
    /// Whether bodies of this type can be decoded.
    func accepts(_ mediaType: HTTPMediaType) -> Bool

    /// The value that a body stands for.
    func decode<T: Decodable>(_ type: T.Type, from body: [UInt8]) throws -> T
}

extension HTTPClientResponse {
    /// The value that the body stands for.
    ///
    /// Throws ``HTTPContentError`` if the status is not one of 200 to 299, or the decoder does not accept the
    /// `Content-Type`, and otherwise what the decoder throws. To decode whatever came, pass ``body`` to the decoder.
    public func decode<T: Decodable>(_ type: T.Type, with decoder: some HTTPBodyDecoder) throws -> T {
        try HTTPContentError.check(status, headerFields, decoder)
        return try decoder.decode(type, from: body)
    }
}

extension HTTPResponse {
    /// The value that the body of this response stands for, if it has no more than `maximum` bytes.
    ///
    /// Throws as ``HTTPClientResponse/decode(_:with:)`` and ``HTTPBodyReader/collect(upTo:)`` do.
    public func decode<T: Decodable>(
        _ type: T.Type,
        from body: HTTPBodyReader,
        with decoder: some HTTPBodyDecoder,
        upTo maximum: Int
    ) async throws -> T {
        try HTTPContentError.check(status, headerFields, decoder)
        return try decoder.decode(type, from: try await body.collect(upTo: maximum))
    }
}

extension HTTPRequest {
    /// The value that the body of this request stands for, if it has no more than `maximum` bytes: for servers.
    ///
    /// Throws ``HTTPContentError`` if the decoder does not accept the `Content-Type`, and otherwise what the decoder and
    /// ``HTTPBodyReader/collect(upTo:)`` throw.
    public func decode<T: Decodable>(
        _ type: T.Type,
        from body: HTTPBodyReader,
        with decoder: some HTTPBodyDecoder,
        upTo maximum: Int
    ) async throws -> T {
        try HTTPContentError.check(nil, headerFields, decoder)
        return try decoder.decode(type, from: try await body.collect(upTo: maximum))
    }
}
