/// A request as a value: for retries, batches and queues.
public struct HTTPClientRequest: Sendable {
    public var method: HTTPRequest.Method
    public var url: HTTPURL
    /// The client's default fields are added to these, unless they are here.
    public var headerFields: HTTPFields
    public var body: HTTPBody

    /// Makes a request. Nothing is checked before it is sent.
    public init(
        _ method: HTTPRequest.Method,
        _ url: HTTPURL,
        headerFields: HTTPFields = HTTPFields(),
        body: HTTPBody = .none
    ) {
        self.method = method
        self.url = url
        self.headerFields = headerFields
        self.body = body
    }
}
