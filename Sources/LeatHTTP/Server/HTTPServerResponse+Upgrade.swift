extension HTTPServerResponse {
    /// Switches the connection to another protocol (RFC 9110 §7.8). The server sends 101 with `Upgrade` and `Connection`, then
    /// calls `takeOver` with the connection, and ends the connection when that returns or throws.
    ///
    /// ```swift
    /// return .upgrade(to: "echo") { stream in
    ///     while let bytes = try await stream.read() { try await stream.write(bytes) }
    /// }
    /// ```
    ///
    /// To end a connection, the server ends its sending direction and drops what still arrives, for up to a second, so that the
    /// client can read the last bytes. It closes at once if `takeOver` has left a task behind that reads or writes the stream.
    ///
    /// A client that has not asked for this protocol is answered with 426 (RFC 9110 §15.5.22) instead. While the server shuts
    /// down the answer is 503. An upgraded connection counts as a request under way: it is cancelled at the end of the
    /// configuration's `shutdownTimeout`. Two kinds of request body have to be read before, or the answer is 500: one that is
    /// longer than 256 KiB, and one that the client holds back until it is asked for it.
    ///
    /// - Parameters:
    ///   - protocolName: One protocol, `name` or `name/version`. Letters may differ in case from what the client wrote.
    ///   - headerFields: What the protocol wants to say besides, such as `Sec-WebSocket-Accept`.
    ///   - takeOver: An error that it throws ends the connection. It is passed to the configuration's `onError`, unless the
    ///     connection has caused it.
    public static func upgrade(
        to protocolName: String,
        headerFields: HTTPFields = HTTPFields(),
        _ takeOver: @escaping @Sendable (HTTPUpgradedStream) async throws -> Void
    ) -> HTTPServerResponse {
        var headerFields = headerFields
        headerFields.setUpgrade(protocolName)
        return HTTPServerResponse(
            status: .switchingProtocols,
            headerFields: headerFields,
            body: .takeOver(takeOver)
        )
    }
}
