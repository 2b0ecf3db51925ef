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
    /// configuration's `shutdownTimeout`. The handler has to read the body of the request, if it is longer than 256 KiB.
    ///
    /// - Parameters:
    ///   - protocolName: One protocol, `name` or `name/version`. Letters may differ in case from what the client wrote.
    ///   - headerFields: What the protocol wants to say besides, such as `Sec-WebSocket-Accept`.
    ///   - takeOver: What it throws is not reported; with a connection that breaks it is as much as with one that ends.
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
            body: HTTPBody(content: .stream(length: nil, HTTPBody.Producer(takeOver: takeOver)))
        )
    }
}
