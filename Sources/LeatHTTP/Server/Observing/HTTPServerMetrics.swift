/// What a server has done since it was made, and what it holds now.
public struct HTTPServerMetrics: Sendable, Hashable {
    /// Connections that were accepted.
    public package(set) var connectionsAccepted = 0
    /// Connections that were accepted and closed at once, for the server could not serve them: no memory for TLS, or no room.
    public package(set) var connectionsRefused = 0
    /// Requests that a handler was called for. Each of them is ended, cut, or under way.
    public package(set) var requestsStarted = 0
    /// Those whose response was handed over as a whole, whatever its status.
    public package(set) var requestsEnded = 0
    /// Those whose response was not: the client had gone or did not take it, or what writes the body has failed.
    public package(set) var requestsCut = 0
    /// Errors that were the server's fault, each passed to `onError`: the handler threw one that is answered with 500, or the
    /// response could not be sent as it was, or its body could not be written.
    public package(set) var requestsFailed = 0
    /// What was answered with a 4xx or 5xx status without a handler: it was no request, or larger than the limits allow.
    public package(set) var requestsRefused = 0
    /// Bytes of requests and responses, heads included, before encryption.
    public package(set) var bytesReceived = 0
    public package(set) var bytesSent = 0

    /// Connections that are open, idle ones included.
    public package(set) var connectionsOpen = 0
    /// Connections on which no request is under way.
    public package(set) var connectionsIdle = 0

    package init() {}
}
