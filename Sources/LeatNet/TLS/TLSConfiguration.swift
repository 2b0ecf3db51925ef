/// How TLS is spoken: whom to trust, and as whom to appear. TLS 1.2 is the oldest version.
public struct TLSConfiguration: Sendable, Hashable {
    /// Whose signatures are trusted.
    public enum TrustRoots: Sendable, Hashable {
        /// The system's store, or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
        case system
        /// The certificates in this PEM file, and no others.
        case file(String)
    }

    /// What is checked about a server's certificate.
    public enum Verification: Sendable, Hashable {
        /// That it is valid, signed by someone trusted, and for the host that was asked for.
        case full
        /// Nothing: whoever answers is believed. There is no such switch for all clients of a program.
        case disabledForTestingOnly
    }

    /// The oldest version that is accepted.
    public enum Version: Int, Sendable, Hashable {
        case tls12 = 0x0303
        case tls13 = 0x0304
    }

    /// Default: the system's.
    public var trustRoots = TrustRoots.system
    /// Default: full.
    public var verification = Verification.full
    /// Default: TLS 1.2.
    public var minimumVersion = Version.tls12
    /// A PEM file with this side's certificate and those between it and a trust root. A server needs one.
    public var certificateChainFile: String?
    /// A PEM file with the key of the certificate, without a passphrase.
    public var privateKeyFile: String?
    /// Whether a server demands a certificate of its clients, signed by one of the ``trustRoots``. Default false.
    public var requiresClientCertificate = false

    public init() {}

    /// For a server: its certificate chain and key, as PEM files.
    public init(certificateChainFile: String, privateKeyFile: String) {
        self.certificateChainFile = certificateChainFile
        self.privateKeyFile = privateKeyFile
    }
}
