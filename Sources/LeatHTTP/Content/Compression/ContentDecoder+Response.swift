extension ContentDecoder {
    /// What a request may say in `Accept-Encoding`: the codings that can be undone here; nil without zlib, so that no
    /// server sends what cannot be read.
    package static var acceptEncoding: String? {
        if case .success = Zlib.shared { "gzip, deflate" } else { nil }
    }

    /// The decoder that a response's body needs, or nil if the body is to be passed on as it is received: it has none, it
    /// is not coded, it is coded in a way that cannot be undone here, or it is a part (206) of a coded whole, which makes no
    /// sense by itself.
    ///
    /// With a decoder, `Content-Encoding` and `Content-Length` are removed from the fields, for they describe what the reader
    /// of the decoded body does not see. Without one they stay; so the caller sees by `Content-Encoding` that a body
    /// is still coded, and in which way.
    ///
    /// Throws ``HTTPError``: `.contentCoding` if there are too many codings, `.libraryUnavailable` if there is no zlib.
    package static func forResponse(
        _ status: HTTPResponse.Status,
        _ fields: inout HTTPFields,
        framing: HTTPBodyFraming,
        limits: Limits = Limits()
    ) throws(HTTPError) -> ContentDecoder? {
        switch framing {
        case .none, .tunnel, .length(0): return nil
        case .length, .chunked, .untilClose: break
        }
        guard status != .partialContent, case .known(let codings) = try ContentCoding.listed(in: fields),
            !codings.isEmpty
        else { return nil }
        let decoder = try ContentDecoder(codings, limits: limits)
        fields.removeAll(.contentEncoding)
        fields.removeAll(.contentLength)
        return decoder
    }
}
