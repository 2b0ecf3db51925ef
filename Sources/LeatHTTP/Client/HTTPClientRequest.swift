/// A request as a value: for retries, batches and queues.
public struct HTTPClientRequest: Sendable {
    public var method: HTTPRequest.Method
    public var url: HTTPURL
    /// The client's default fields are added to these, unless they are here.
    public var headerFields: HTTPFields
    public var body: HTTPBody

    /// Makes a request. Nothing is checked before it is sent.
    public init(
        _ method: HTTPRequest.Method = .get,
        _ url: HTTPURL,
        headerFields: HTTPFields = HTTPFields(),
        body: HTTPBody = .none
    ) {
        self.method = method
        self.url = url
        self.headerFields = headerFields
        self.body = body
    }

    /// The request with this head. Throws ``HTTPError`` of kind `.invalidRequest` if that names no URL.
    init(_ head: HTTPRequest, _ body: HTTPBody) throws(HTTPError) {
        let url: HTTPURL
        do throws(HTTPURL.ParseError) {
            url = try HTTPURL(parsing: "\(head.scheme ?? "http")://\(head.authority ?? "")\(head.path ?? "/")")
        } catch {
            throw HTTPError(.invalidRequest, "\(error)", underlying: error)
        }
        self.init(head.method, url, headerFields: head.headerFields, body: body)
    }
}
