import LeatLoop

extension HTTPClient {
    /// Opens connections to a URL's host ahead of need, until `connections` of them are idle: with a TCP and a TLS handshake
    /// behind them, the first requests are as fast as later ones.
    ///
    /// The limits of the pool apply, and no idle connection to another host is closed to make room: fewer may be opened than
    /// were asked for. Connections that were opened and then not used go after the configuration's `idleTimeout`.
    ///
    /// - Returns: How many are idle now.
    /// - Throws: ``HTTPError`` or `CancellationError` if one of them cannot be opened; those that were stay in the pool.
    @discardableResult
    public func warmUp(_ url: HTTPURL, connections: Int = 1) async throws -> Int {
        loop.preconditionOnLoop()
        return try await pool.warmUp(pool.origin(of: url), connections, timesFromNow)
    }
}
