/// A server answered a request for another protocol with something else than 101: by its status, and perhaps its body, it says
/// why. Thrown by ``HTTPClient/upgrade(_:to:_:)``.
///
/// A 404 or 403 means what it always does, 426 that the server wants another protocol (`Upgrade` says which), and 200 that it
/// does not know about upgrades and has answered the request as it is.
public struct HTTPUpgradeRefused: Error, Sendable, CustomStringConvertible {
    /// The protocol that was asked for.
    public let protocolName: String
    /// The answer. Of its body the first 64 KiB, as far as they came within a second.
    public let response: HTTPClientResponse

    /// For example `the server did not switch to websocket: it answered with status 403 Forbidden`.
    public var description: String {
        "the server did not switch to \(protocolName): it answered with status \(response.status)"
    }
}
