/// What is known about the other side of a TLS connection after the handshake.
public struct TLSPeer: Sendable, Hashable {
    /// The version of TLS that was agreed on: `TLSv1.3` or `TLSv1.2`.
    public let version: String
    /// The protocol above that was agreed on (ALPN, RFC 7301), such as `http/1.1`; nil if the peer did not ask for one.
    public let applicationProtocol: String?
    /// The host name that the client asked for (SNI, RFC 6066 §3); nil if it named none, as one that connects to an address does.
    /// A client can ask for any name.
    public let serverName: String?
    /// The certificate with which a client has proved who it is; nil if it was not asked for one. It was checked in the handshake:
    /// it is valid, and signed by one of the ``TLSConfiguration/trustRoots``.
    public let clientCertificate: TLSCertificate?
}

/// An X.509 certificate (RFC 5280).
public struct TLSCertificate: Sendable, Hashable {
    /// The certificate as it was sent, in DER.
    public let der: [UInt8]
    /// Whom it is for, as text in the form of RFC 2253, for example `CN=ada,O=Analytical Engines`: the most specific name first.
    /// Letters outside of ASCII stand as they are.
    public let subject: String
    /// The SHA-256 of ``der``: 32 bytes, by which a certificate is pinned or looked up.
    public let sha256Fingerprint: [UInt8]

    /// Two certificates are equal if they have the same octets.
    public static func == (left: Self, right: Self) -> Bool { left.der == right.der }

    public func hash(into hasher: inout Hasher) { hasher.combine(sha256Fingerprint) }
}

extension TLSChannel {
    /// What the handshake has told about the peer. Made anew each time; costs a copy of the client's certificate if there is one.
    package var peer: TLSPeer {
        TLSPeer(
            version: version,
            applicationProtocol: applicationProtocol,
            serverName: serverName,
            clientCertificate: isServer ? withPeerCertificate { TLSCertificate($0, openSSL) } : nil
        )
    }
}

extension TLSCertificate {
    /// Nil if OpenSSL has no memory left for it.
    fileprivate init?(_ certificate: OpaquePointer, _ openSSL: OpenSSL) {
        let length = Int(openSSL.encodeCertificate(certificate, nil))
        guard length > 0, let subject = Self.text(of: openSSL.subject(certificate), openSSL) else { return nil }
        der = [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            // It moves the pointer behind what it has written.
            var end = buffer.baseAddress
            count = max(0, Int(openSSL.encodeCertificate(certificate, &end)))
        }
        self.subject = subject
        sha256Fingerprint = [UInt8](unsafeUninitializedCapacity: OpenSSL.maximumDigest) { buffer, count in
            var written: UInt32 = 0
            _ = openSSL.digestCertificate(certificate, openSSL.sha256(), buffer.baseAddress!, &written)
            count = Int(written)
        }
        guard der.count == length, sha256Fingerprint.count == 32 else { return nil }
    }

    private static func text(of name: OpaquePointer?, _ openSSL: OpenSSL) -> String? {
        guard let name, let channel = openSSL.newChannel(openSSL.memoryChannel()) else { return nil }
        defer { _ = openSSL.freeChannel(channel) }
        // XN_FLAG_RFC2253 without ASN1_STRFLGS_ESC_MSB, which would escape each octet that is not ASCII.
        guard openSSL.printName(channel, name, 0, 0x111_0317 & ~4) >= 0 else { return nil }
        var text = [UInt8](repeating: 0, count: openSSL.pendingInChannel(channel))
        guard !text.isEmpty else { return "" }
        let count = openSSL.readChannel(channel, &text, Int32(text.count))
        return String(decoding: text.prefix(max(0, Int(count))), as: UTF8.self)
    }
}
