/// What a server has done since it was made, and what it holds now.
public struct HTTPServerMetrics: Sendable, Hashable {
    /// Connections that were accepted.
    public package(set) var connectionsAccepted = 0
    /// Connections that were accepted and closed at once, because epoll or OpenSSL had no room or no memory for them.
    public package(set) var connectionsRefused = 0
    /// Requests that a handler was called for. Each of them is ended, cut, or under way.
    public package(set) var requestsStarted = 0
    /// Requests whose response was handed over as a whole, whatever its status.
    public package(set) var requestsEnded = 0
    /// Requests whose response was not: the client had gone or did not take it, or the closure that writes the body threw.
    public package(set) var requestsCut = 0
    /// Errors that were the server's fault. Each was passed to `onError`. Their requests are among those that ended or were cut.
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
