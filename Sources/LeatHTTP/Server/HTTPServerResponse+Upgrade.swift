extension HTTPServerResponse {
    /// Switches the connection to another protocol (RFC 9110 §7.8): sends 101 with `Upgrade` and `Connection`, then passes the
    /// connection to `takeOver`, and closes it when that returns or throws.
    ///
    /// ```swift
    /// return .upgrade(to: "echo") { stream in
    ///     while let bytes = try await stream.read() { try await stream.write(bytes) }
    /// }
    /// ```
    ///
    /// A client that has not asked for this protocol is answered with 426 (RFC 9110 §15.5.22) instead. While the server shuts
    /// down the answer is 503, and an upgraded connection counts as a request under way: it is cancelled at the end of the
    /// configuration's `shutdownTimeout`. A request body that is longer than 256 KiB, or that the client holds back until it is
    /// asked for it, has to be read before: otherwise the answer is 500.
    ///
    /// - Parameters:
    ///   - protocolName: One protocol, `name` or `name/version`. Letters may differ in case from what the client wrote.
    ///   - headerFields: What the protocol wants to say besides, such as `Sec-WebSocket-Accept`.
    ///   - takeOver: An error that it throws ends the connection, and goes no further.
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
