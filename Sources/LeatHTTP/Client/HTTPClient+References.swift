extension HTTPClient {
    /// The URL that a text means to this client: an absolute one, or one relative to the configuration's `baseURL`
    /// (RFC 3986 §5.2).
    ///
    /// - Throws: ``HTTPError`` of kind `.invalidRequest` if it is no URL, or relative to nothing.
    public func url(_ reference: String) throws(HTTPError) -> HTTPURL {
        do throws(HTTPURL.ParseError) {
            guard let base = configuration.baseURL else { return try HTTPURL(parsing: reference) }
            return try base.resolving(reference)
        } catch {
            let hint = configuration.baseURL == nil ? "; the client has no baseURL" : ""
            throw HTTPError(.invalidRequest, "\(reference.debugDescription): \(error)\(hint)", underlying: error)
        }
    }

    /// Sends a GET request to a URL that is given as text, absolute or relative to the configuration's `baseURL`; see
    /// ``request(_:_:headerFields:body:upTo:)``.
    public func get(_ reference: String, headerFields: HTTPFields = HTTPFields()) async throws -> HTTPClientResponse {
        try await request(.get, reference, headerFields: headerFields)
    }

    /// Sends a POST request to a URL that is given as text; see ``get(_:headerFields:)``.
    public func post(
        _ reference: String,
        headerFields: HTTPFields = HTTPFields(),
        body: HTTPBody
    ) async throws -> HTTPClientResponse {
        try await request(.post, reference, headerFields: headerFields, body: body)
    }

    /// Sends a form with POST to a URL that is given as text; see ``get(_:headerFields:)``.
    public func post(
        _ reference: String,
        form fields: [(name: String, value: String)],
        headerFields: HTTPFields = HTTPFields()
    ) async throws -> HTTPClientResponse {
        try await post(try url(reference), form: fields, headerFields: headerFields)
    }

    /// Sends a form with files with POST to a URL that is given as text; see ``get(_:headerFields:)``.
    public func post(
        _ reference: String,
        form: MultipartForm,
        headerFields: HTTPFields = HTTPFields()
    ) async throws -> HTTPClientResponse {
        try await post(try url(reference), form: form, headerFields: headerFields)
    }

    /// Sends a value with POST to a URL that is given as text; see ``get(_:headerFields:)``.
    public func post(
        _ reference: String,
        encoding value: some Encodable,
        with encoder: some HTTPBodyEncoder,
        headerFields: HTTPFields = HTTPFields()
    ) async throws -> HTTPClientResponse {
        try await post(try url(reference), encoding: value, with: encoder, headerFields: headerFields)
    }

    /// Sends a request to a URL that is given as text, absolute or relative to the configuration's `baseURL`. It is parsed
    /// each time: for many requests to one place keep an ``HTTPURL``.
    public func request(
        _ method: HTTPRequest.Method,
        _ reference: String,
        headerFields: HTTPFields = HTTPFields(),
        body: HTTPBody = .none,
        upTo maximum: Int? = nil
    ) async throws -> HTTPClientResponse {
        try await request(method, try url(reference), headerFields: headerFields, body: body, upTo: maximum)
    }
}
