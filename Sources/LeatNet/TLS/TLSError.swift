/// A TLS connection that could not be made or kept, or a configuration that cannot be used.
public struct TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kinds of failure. More may be added; compare with the ones you handle.
    public struct Kind: Hashable, Sendable {
        fileprivate let name: String

        /// The system has no OpenSSL 3.
        public static var libraryMissing: Kind { Kind(name: "no OpenSSL") }
        /// A certificate, key or trust file cannot be used.
        public static var configuration: Kind { Kind(name: "TLS configuration") }
        /// The two sides did not come to terms, over the version for example, or one of them broke off.
        public static var handshake: Kind { Kind(name: "TLS handshake") }
        /// The peer's certificate is not signed by anyone that is trusted.
        public static var untrusted: Kind { Kind(name: "certificate not trusted") }
        /// The peer's certificate is no longer, or not yet, valid.
        public static var expired: Kind { Kind(name: "certificate expired") }
        /// The peer's certificate is for another host.
        public static var wrongHost: Kind { Kind(name: "certificate for another host") }
        /// The connection ended without the farewell that TLS prescribes: something may be missing.
        public static var truncated: Kind { Kind(name: "TLS connection cut off") }
        /// The peer sent something that is not TLS, or was altered on its way.
        public static var protocolViolation: Kind { Kind(name: "TLS protocol") }
    }

    public let kind: Kind
    /// What exactly happened, as far as possible in OpenSSL's words.
    public let message: String

    /// For example `certificate expired: example.com: certificate has expired`.
    public var description: String { "\(kind.name): \(message)" }

    init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}
