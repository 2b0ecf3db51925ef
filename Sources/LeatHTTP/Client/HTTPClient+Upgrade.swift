import LeatLoop
import LeatNet
import LeatReactor

extension HTTPClient {
    /// Sends a request that asks the server to speak another protocol on this connection (RFC 9110 §7.8), such as
    /// `websocket`, and passes the head of its 101 response and the connection to `handler`.
    ///
    /// ```swift
    /// try await client.upgrade(request, to: "echo") { response, stream in
    ///     try await stream.write("hello")
    ///     print(try await stream.read() ?? [])
    /// }
    /// ```
    ///
    /// `Upgrade` and `Connection` are added to the request; whatever else the protocol wants to be told, such as
    /// `Sec-WebSocket-Key`, stands in its fields. Redirects are followed first. The connection is closed when `handler` returns, and until then it counts among those to its host. The
    /// configuration's `totalTimeout` ends with the switch. A proxy is asked for a tunnel for `https` only: with `http` the
    /// upgrade is its to grant, and few do.
    ///
    /// - Parameter protocolName: One protocol, `name` or `name/version`.
    /// - Throws: ``HTTPUpgradeRefused`` with the response if that is no 101, ``HTTPError`` of kind `.malformed` if the server
    ///   switches to a protocol that it was not asked for, or before it had the whole request; what `handler` throws, and
    ///   otherwise as ``perform(_:_:)`` does.
    public func upgrade<R>(
        _ request: HTTPClientRequest,
        to protocolName: String,
        _ handler: (HTTPResponse, HTTPUpgradedStream) async throws -> R
    ) async throws -> R {
        guard HTTPFields.isProtocol(protocolName), request.method != .connect else {
            let subject = request.method == .connect ? "CONNECT" : protocolName.debugDescription
            throw HTTPError(.invalidRequest, "\(subject) is not for upgrades")
        }
        var first = request
        first.headerFields.setUpgrade(protocolName)
        let answer = try await stream(first, mayUpgrade: true) { exchange, response, body, trail in
            guard response.status == .switchingProtocols else {
                var refusal = HTTPClientResponse(
                    status: response.status,
                    headerFields: response.headerFields,
                    body: await body.beginning,
                    url: exchange.url
                )
                refusal.history = trail.history
                return Answer<R>.refused(refusal)
            }
            let stream = try exchange.switchProtocols(to: protocolName, response)
            defer { stream.invalidate() }
            return .switched(try await handler(response, stream))
        }
        switch answer {
        case .switched(let value): return value
        case .refused(let response): throw HTTPUpgradeRefused(protocolName: protocolName, response: response)
        }
    }

    private enum Answer<R> {
        case switched(R)
        case refused(HTTPClientResponse)
    }
}

extension ClientExchange {
    /// The stream for the protocol that the server has switched to with `response`.
    fileprivate func switchProtocols(
        to protocolName: String,
        _ response: HTTPResponse
    ) throws -> HTTPUpgradedStream {
        guard response.headerFields.announcesUpgrade(to: protocolName) else {
            let (name, options) = (response.headerFields[.upgrade] ?? "", response.headerFields[.connection] ?? "")
            let said = "Upgrade: \(name.debugDescription), Connection: \(options.debugDescription)"
            throw HTTPError(.malformed, "the server was asked for \(protocolName), and switched with \(said)")
        }
        // The rest of the request could not be told from the new protocol (RFC 9110 §7.8).
        guard !isCutShort, http.output.isEmpty else {
            throw HTTPError(.malformed, "the server switched to \(protocolName) before it had the whole request")
        }
        return HTTPUpgradedStream(http, writeTimeout: times.readTimeout)
    }
}

extension HTTPBodyReader {
    /// What comes of a refusal's body while somebody may want to wait for it.
    fileprivate var beginning: [UInt8] {
        get async {
            let maximum = 65536
            var body: [UInt8] = []
            _ = try? await withTimeout(.seconds(1)) {
                while body.count < maximum, let piece = try await self.read() { body += piece }
            }
            return Array(body.prefix(maximum))
        }
    }
}

/// A server answered a request for another protocol with something else than 101: by its status, and perhaps its body, it says
/// why. Thrown by ``HTTPClient/upgrade(_:to:_:)``.
///
/// A 404 or 403 means what it always does, 426 that the server wants another protocol (`Upgrade` says which), and 200 that it
/// does not know about upgrades and has answered the request as it is.
public struct HTTPUpgradeRefused: Error, Sendable, CustomStringConvertible {
    /// The protocol that was asked for.
    public let protocolName: String
    /// The answer. Its body holds the first 64 KiB at most, and only what arrived within a second.
    public let response: HTTPClientResponse

    /// For example `the server did not switch to websocket: it answered with status 403 Forbidden`.
    public var description: String {
        "the server did not switch to \(protocolName): it answered with status \(response.status)"
    }
}
