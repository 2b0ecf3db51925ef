import LeatLoop

/// What a client has done since it was made, and what it holds now; see ``HTTPClient/metrics``.
public struct HTTPClientMetrics: Sendable, Hashable {
    /// Requests that were asked for. A redirected one counts once, a retried one once for each try.
    public internal(set) var requestsStarted = 0
    /// Those that had a response, whatever its status.
    public internal(set) var requestsEnded = 0
    /// Those that had none.
    public internal(set) var requestsFailed = 0
    /// Redirects that were followed.
    public internal(set) var redirects = 0
    /// Tries after the first, by a ``RetryPolicy``.
    public internal(set) var retries = 0
    /// Requests sent once more because a kept-alive connection had gone.
    public internal(set) var repeats = 0
    /// Bytes of requests and responses, heads included, before encryption.
    public internal(set) var bytesSent = 0
    public internal(set) var bytesReceived = 0
    /// Connections that were made.
    public internal(set) var connectionsCreated = 0
    /// Connections that could not be made.
    public internal(set) var connectionsFailed = 0
    /// Exchanges over a connection that had served before.
    public internal(set) var connectionsReused = 0

    /// Connections that serve a request now, or are being made.
    public internal(set) var connectionsInUse = 0
    /// Connections that are kept for the next.
    public internal(set) var connectionsIdle = 0
    /// Requests that wait for a connection.
    public internal(set) var requestsWaiting = 0
}

extension HTTPClient {
    /// A snapshot. O(origins).
    public var metrics: HTTPClientMetrics {
        loop.preconditionOnLoop()
        return pool.snapshot()
    }
}
