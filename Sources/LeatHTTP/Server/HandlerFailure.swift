/// What a server answers with when its handler has thrown an error.
package struct HandlerFailure: Sendable {
    package let response: HTTPServerResponse
    /// Whether the server is to blame. Then `onError` is told, since the client learns nothing but the 500.
    package let isServerFault: Bool

    /// - Parameters:
    ///   - error: What the handler threw.
    ///   - requestBodyFailed: Whether reading the body of this request has failed. A handler may send the body on by an
    ///     ``HTTPClient``, which throws the error of the body. This tells such an error from one of the ``HTTPClient``'s own.
    package init(_ error: any Error, requestBodyFailed: Bool = false) {
        if let error = error as? HTTPStatusError, (200...999).contains(error.status.code) {
            response = HTTPServerResponse(
                status: error.status,
                headerFields: error.headerFields,
                body: error.message.map { .text($0) } ?? .none
            )
            isServerFault = false
            return
        }
        let status = Self.clientFault(error, requestBodyFailed)
        response = HTTPServerResponse(status: status ?? .internalServerError)
        isServerFault = status == nil
    }

    /// The status for an error that the client has caused by what it sent; nil for any other error.
    private static func clientFault(_ error: any Error, _ requestBodyFailed: Bool) -> HTTPResponse.Status? {
        switch error {
        case let error as HTTPContentError:
            // With a status it is about a response that the handler has received from somebody else.
            error.kind == .contentType && error.status == nil ? .unsupportedMediaType : nil
        case is DecodingError:
            .badRequest
        case let error as HTTPError where requestBodyFailed && (error.kind == .connection || error.kind == .tls):
            // The client is gone, and nobody reads the answer.
            .badRequest
        case let error as HTTPError where requestBodyFailed || !error.isUpstream:
            clientFault(error.kind)
        default:
            nil
        }
    }

    /// The status for a request body that cannot be read.
    private static func clientFault(_ kind: HTTPError.Kind) -> HTTPResponse.Status? {
        switch kind {
        case .bodyTooLarge, .compressionRatio, .lineTooLong, .eventTooLarge: .contentTooLarge
        case .malformed, .incomplete, .contentCoding: .badRequest
        case .timeout: .requestTimeout
        case .unknownCharset: .unsupportedMediaType
        default: nil
        }
    }
}
