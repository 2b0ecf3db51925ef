import Glibc

/// What the TLS connections of a client or a server have in common: certificates, trust, and sessions to resume.
///
/// Confined to its loop, like who owns it.
package final class TLSContext {
    package enum Role: Sendable {
        case client, server
    }

    let openSSL: OpenSSL
    let role: Role
    let verifiesPeer: Bool
    let pointer: OpaquePointer
    /// The last session with each server, for a shorter handshake next time.
    private var sessions: [String: OpaquePointer] = [:]
    private static let maximumSessions = 256

    /// Reads the files that `configuration` names. Throws ``TLSError``.
    package init(_ configuration: TLSConfiguration, role: Role) throws(TLSError) {
        openSSL = try OpenSSL.shared.get()
        self.role = role
        verifiesPeer =
            role == .client ? configuration.verification == .full : configuration.requiresClientCertificate
        openSSL.clearErrors()
        guard let pointer = openSSL.newContext(role == .client ? openSSL.clientMethod() : openSSL.serverMethod())
        else { throw TLSError(.configuration, openSSL.takeErrors()) }
        self.pointer = pointer
        // SSL_CTX_set_min_proto_version
        _ = openSSL.controlContext(pointer, 123, configuration.minimumVersion.rawValue, nil)
        // SSL_MODE_ENABLE_PARTIAL_WRITE, _ACCEPT_MOVING_WRITE_BUFFER, _RELEASE_BUFFERS
        _ = openSSL.controlContext(pointer, 33, 1 | 2 | 16, nil)
        // SSL_CTX_set_read_ahead: as much as has arrived is received at once, and not a record's head before its body.
        _ = openSSL.controlContext(pointer, 41, 1, nil)
        // SSL_OP_NO_RENEGOTIATION
        _ = openSSL.setContextOptions(pointer, 1 << 30)
        try setTrust(configuration)
        try setCertificate(configuration)
        setProtocols()
        if role == .client {
            rememberSessions()
        } else {
            _ = openSSL.setSessionIDContext(pointer, [1], 1)
            acceptServerNames()
        }
    }

    deinit {
        for session in sessions.values { openSSL.freeSession(session) }
        openSSL.freeContext(pointer)
    }

    // MARK: Certificates

    private func setTrust(_ configuration: TLSConfiguration) throws(TLSError) {
        guard verifiesPeer else { return openSSL.setVerify(pointer, 0, nil) }
        // SSL_VERIFY_PEER, and for a server SSL_VERIFY_FAIL_IF_NO_PEER_CERT.
        openSSL.setVerify(pointer, role == .client ? 1 : 1 | 2, nil)
        switch configuration.trustRoots {
        case .system:
            guard openSSL.setDefaultVerifyPaths(pointer) == 1 else {
                throw TLSError(.configuration, "the system has no trust store: \(openSSL.takeErrors())")
            }
        case .file(let path):
            guard openSSL.loadVerifyLocations(pointer, path, nil) == 1 else {
                throw TLSError(.configuration, "no trusted certificates in \(path): \(openSSL.takeErrors())")
            }
        }
    }

    private func setCertificate(_ configuration: TLSConfiguration) throws(TLSError) {
        guard let chain = configuration.certificateChainFile, let key = configuration.privateKeyFile else {
            if role == .server || configuration.certificateChainFile != nil || configuration.privateKeyFile != nil {
                throw TLSError(.configuration, "a certificate and its key are needed, both")
            }
            return
        }
        guard openSSL.useCertificateChainFile(pointer, chain) == 1 else {
            throw TLSError(.configuration, "no certificate in \(chain): \(openSSL.takeErrors())")
        }
        // Without this, OpenSSL would ask for the passphrase of a key on the terminal, and the loop would wait.
        openSSL.setPassphraseCallback(pointer) { _, _, _, _ in -1 }
        // SSL_FILETYPE_PEM
        guard openSSL.usePrivateKeyFile(pointer, key, 1) == 1, openSSL.checkPrivateKey(pointer) == 1 else {
            throw TLSError(.configuration, "no key for the certificate in \(key): \(openSSL.takeErrors())")
        }
    }

    // MARK: The protocol above (ALPN, RFC 7301)

    private func setProtocols() {
        let http11 = [8] + Array("http/1.1".utf8)
        guard role == .server else {
            // Returns 0 for success.
            _ = openSSL.setClientProtocols(pointer, http11, UInt32(http11.count))
            return
        }
        let selection: OpenSSL.ProtocolSelection = { _, chosen, chosenLength, offered, count, _ in
            var rest = UnsafeBufferPointer(start: offered, count: Int(count))[...]
            while let length = rest.first.map(Int.init), length < rest.count {
                let name = rest[(rest.startIndex + 1)...].prefix(length)
                if name.elementsEqual("http/1.1".utf8) {
                    chosen?.pointee = UnsafeBufferPointer(rebasing: name).baseAddress
                    chosenLength?.pointee = UInt8(length)
                    return 0
                }
                rest = rest.dropFirst(length + 1)
            }
            // SSL_TLSEXT_ERR_ALERT_FATAL: without a common protocol there is no connection (RFC 7301 §3.2).
            return 2
        }
        openSSL.setProtocolSelection(pointer, selection, nil)
    }

    // MARK: The host that a client asks for (SNI, RFC 6066 §3)

    /// There is one certificate for all names. A name that is not accepted is forgotten when a session of TLS 1.2 is resumed.
    private func acceptServerNames() {
        // SSL_TLSEXT_ERR_OK
        let accept: OpenSSL.ServerNameSelection = { _, _, _ in 0 }
        // SSL_CTX_set_tlsext_servername_callback: the real type of the callback depends on the command.
        _ = openSSL.setContextCallback(pointer, 53, unsafeBitCast(accept, to: (@convention(c) () -> Void).self))
    }

    // MARK: Sessions

    /// TLS 1.3 hands sessions out after the handshake, with the first data, so they are caught by a callback.
    private func rememberSessions() {
        // SSL_CTX_set_session_cache_mode: SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE
        _ = openSSL.controlContext(pointer, 44, 1 | 0x200, nil)
        openSSL.setNewSessionCallback(pointer) { connection, session in
            guard case .success(let openSSL) = OpenSSL.shared, let session,
                let channel = openSSL.extraData(connection, 0)
            else { return 0 }
            Unmanaged<TLSChannel>.fromOpaque(channel).takeUnretainedValue().remember(session)
            // 1: the reference is ours now.
            return 1
        }
    }

    func remember(_ session: OpaquePointer, of server: String) {
        if let old = sessions.removeValue(forKey: server) { openSSL.freeSession(old) }
        if sessions.count >= Self.maximumSessions, let (key, old) = sessions.first {
            sessions[key] = nil
            openSSL.freeSession(old)
        }
        sessions[server] = session
    }

    /// A session is used once: a TLS 1.3 ticket that is used again tells an observer who is asking.
    func takeSession(of server: String) -> OpaquePointer? { sessions.removeValue(forKey: server) }
}
