import Glibc
import LeatLoop
package import LeatReactor

/// TLS over a socket, driven without waiting: the socket is asked by the same calls as without TLS.
///
/// ```
///   plaintext ◄── SSL_read ──┐         ┌── recv ◄── socket
///                            │ OpenSSL │
///   plaintext ── SSL_write ─►┘         └── send ──► socket
/// ```
///
/// There is no buffer but OpenSSL's own, which it frees when it is empty. Confined to its loop.
package final class TLSChannel: @unchecked Sendable {
    let openSSL: OpenSSL
    private let context: TLSContext
    private let socket: Socket
    private let connection: OpaquePointer
    private let server: String
    // What the kernel last answered to OpenSSL.
    private var lastReceived = -Int(EAGAIN)
    private var lastSent = 0
    /// Ciphertext that the kernel did not take. OpenSSL is never told so: a record of which a part is sent would be in the way
    /// of what reading makes it send, an answer to a key update for example. Empty, and without memory, nearly always.
    private var unsent: OutputBuffer
    /// Octets of plaintext that are encrypted, in part still ``unsent``, and not yet reported as sent.
    private var encrypted = 0
    /// Why the connection is of no more use.
    package private(set) var failure: TLSError?

    /// - Parameter serverName: For a client: the host that the peer must prove to be, a name or an IP address.
    package init(_ context: TLSContext, socket: Socket, serverName: String = "", port: UInt16 = 0) throws(TLSError) {
        self.context = context
        self.socket = socket
        openSSL = context.openSSL
        unsent = OutputBuffer(.of(socket.loop))
        server = "\(serverName):\(port)"
        openSSL.clearErrors()
        guard let connection = openSSL.new(context.pointer) else {
            throw TLSError(.configuration, openSSL.takeErrors())
        }
        self.connection = connection
        guard let channel = SocketChannel.make(for: self, openSSL) else {
            throw TLSError(.configuration, openSSL.takeErrors())
        }
        // Owned by the connection from here on, for both directions.
        openSSL.setChannels(connection, channel, channel)
        _ = openSSL.setExtraData(connection, 0, Unmanaged.passUnretained(self).toOpaque())
        switch context.role {
        case .server:
            openSSL.setAccepting(connection)
        case .client:
            openSSL.setConnecting(connection)
            try expect(serverName)
            if let session = context.takeSession(of: server) {
                _ = openSSL.setSession(connection, session)
                openSSL.freeSession(session)
            }
        }
    }

    deinit {
        switch failure?.kind {
        // SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN: many servers end without a farewell, which is no reason not to resume
        // the session, as OpenSSL would have it.
        case nil, .truncated: openSSL.setShutdown(connection, 1 | 2)
        default: break
        }
        openSSL.free(connection)
    }

    /// The certificate has to be for this host. A name is also told to the server (SNI, RFC 6066 §3); an address never.
    private func expect(_ host: String) throws(TLSError) {
        let isAddress = SocketAddress(ip: host, port: 0) != nil
        // The dot at the end of an absolute name is not part of it here (RFC 6066 §3).
        let host = host.hasSuffix(".") ? String(host.dropLast()) : host
        // OpenSSL takes a name that begins with a dot for every host below it.
        guard isAddress || Self.isHostName(host) else {
            throw TLSError(.configuration, "\(host.debugDescription) is not a host name")
        }
        if context.verifiesPeer {
            // X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, _NEVER_CHECK_SUBJECT: a common name is no host name (RFC 9110 §4.3.4).
            openSSL.setHostFlags(connection, 4 | 0x20)
            let isSet =
                isAddress
                ? openSSL.setAddress(openSSL.parameters(connection), host) : openSSL.setHost(connection, host)
            guard isSet == 1 else { throw TLSError(.configuration, openSSL.takeErrors()) }
        }
        if !isAddress {
            // SSL_set_tlsext_host_name
            host.withCString { _ = openSSL.control(connection, 55, 0, UnsafeMutableRawPointer(mutating: $0)) }
        }
    }

    /// Labels of letters, digits, hyphens and underscores.
    private static func isHostName(_ host: String) -> Bool {
        host.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty
                && label.allSatisfy { byte in
                    (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == UInt8(ascii: "-")
                        || byte == UInt8(ascii: "_")
                }
        }
    }

    func remember(_ session: OpaquePointer) { context.remember(session, of: server) }

    /// For example `TLSv1.3`.
    package var version: String { openSSL.version(connection).map { String(cString: $0) } ?? "" }
    /// Whether the handshake was a short one.
    package var wasResumed: Bool { openSSL.sessionWasReused(connection) == 1 }

    /// What was agreed on by ALPN; nil for nothing.
    package var applicationProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        openSSL.selectedProtocol(connection, &name, &count)
        return name.map { String(decoding: UnsafeBufferPointer(start: $0, count: Int(count)), as: UTF8.self) }
    }

    /// The host that the client asked for; nil for none.
    var serverName: String? {
        // TLSEXT_NAMETYPE_host_name
        openSSL.serverName(connection, 0).map { String(cString: $0) }
    }

    var isServer: Bool { context.role == .server }

    /// Calls `body` with the certificate that the peer has shown; nil if it has shown none.
    func withPeerCertificate<R>(_ body: (OpaquePointer) -> R?) -> R? {
        guard let certificate = openSSL.peerCertificate(connection) else { return nil }
        defer { openSSL.freeCertificate(certificate) }
        return body(certificate)
    }

    /// Whether something was received that has not been read.
    package var hasBufferedInput: Bool { openSSL.hasPending(connection) == 1 }

    // MARK: For OpenSSL

    func receive(_ room: UnsafeMutableRawBufferPointer) -> Int {
        lastReceived = socket.tryReceive(into: room)
        return lastReceived
    }

    /// Takes all of it: what the kernel does not take waits in ``unsent``.
    func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        var sent = 0
        if unsent.isEmpty {
            lastSent = socket.trySend(bytes)
            if lastSent < 0, lastSent != -Int(EAGAIN) { return lastSent }
            sent = max(0, lastSent)
        }
        if sent < bytes.count { unsent.append(UnsafeRawBufferPointer(rebasing: bytes[sent...])) }
        return bytes.count
    }

    /// Sends the ciphertext that is left. Returns 0 if that was all of it, or -errno.
    private func flush() -> Int {
        while !unsent.isEmpty {
            let sent = socket.trySend(unsent.bytes)
            if sent < 0 { return sent }
            unsent.consume(sent)
        }
        return 0
    }

    /// So much ciphertext may wait to be sent before nothing more is received: each record that arrives can make some.
    private static var maximumUnsent: Int { 65536 }

    // MARK: The handshake

    /// How far the handshake has come.
    package enum HandshakeProgress {
        case done
        /// Nothing more to do until the socket is ready.
        case waiting(for: Readiness)
        case failed(any Error)
    }

    /// Goes on with the handshake as far as it can without waiting.
    package func continueHandshake() -> HandshakeProgress {
        let outcome = attempt { openSSL.handshake(connection) }
        let pending = flush()
        if pending == -Int(EAGAIN) { return .waiting(for: .writable) }
        switch outcome {
        case .done: return .done
        case .waits: return .waiting(for: .readable)
        case .systemError(let code): return .failed(NetworkError(code: code, operation: "TLS handshake"))
        case .ended, .closedCleanly:
            return .failed(fail(.handshake, "the peer closed the connection during the handshake"))
        case .protocolError: return .failed(handshakeFailure())
        }
    }

    /// Throws ``TLSError``, ``NetworkError`` (`.timedOut` at the deadline) or `CancellationError`.
    package func handshake(until deadline: LoopInstant) async throws {
        while true {
            switch continueHandshake() {
            case .done: return
            case .failed(let error): throw error
            case .waiting(let readiness) where readiness.contains(.writable):
                try check(await socket.waitWritable(until: deadline, cancellably: true))
            case .waiting:
                try check(await socket.waitReadable(until: deadline, cancellably: true))
            }
        }
    }

    private func check(_ wake: Wake) throws {
        try wake.check("TLS handshake")
        if socket.isClosed { throw NetworkError.closed("TLS handshake") }
    }

    private func handshakeFailure() -> TLSError {
        let result = openSSL.verifyResult(connection)
        let words = openSSL.takeErrors()
        guard result != 0, context.verifiesPeer else { return fail(.handshake, words) }
        let text = openSSL.verifyErrorText(result).map { String(cString: $0) } ?? "error \(result)"
        // X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED; _HOSTNAME_MISMATCH, _EMAIL_MISMATCH, _IP_ADDRESS_MISMATCH.
        let kind: TLSError.Kind =
            switch result {
            case 9, 10: .expired
            case 62, 63, 64: .wrongHost
            default: .untrusted
            }
        return fail(kind, "\(server): \(text)")
    }

    @discardableResult
    private func fail(_ kind: TLSError.Kind, _ message: String) -> TLSError {
        let error = failure ?? TLSError(kind, message)
        failure = error
        return error
    }

    // MARK: Calls that do not wait

    private enum Outcome {
        case done
        /// OpenSSL wants the socket to be readable first.
        case waits
        /// The peer has announced its end.
        case closedCleanly
        /// The connection ended without that.
        case ended
        case systemError(Int32)
        case protocolError
    }

    /// Calls OpenSSL, and puts what it says together with what the kernel has said to it (SSL_get_error(3)).
    private func attempt(_ call: () -> Int32) -> Outcome {
        openSSL.clearErrors()
        (lastReceived, lastSent) = (-Int(EAGAIN), 0)
        let result = call()
        if result == 1 { return .done }
        switch openSSL.error(connection, result) {
        // SSL_ERROR_WANT_READ, _ZERO_RETURN. There is no _WANT_WRITE: send(_:) takes every record.
        case 2: return .waits
        case 6: return .closedCleanly
        default:
            if lastReceived == 0 { return .ended }
            if lastSent < 0, lastSent != -Int(EAGAIN) { return .systemError(Int32(-lastSent)) }
            if lastReceived < 0, lastReceived != -Int(EAGAIN) { return .systemError(Int32(-lastReceived)) }
            return .protocolError
        }
    }

    /// As ``Socket/tryReceive(into:)``, for plaintext. 0 is an end that the peer has announced; -EPROTO that
    /// ``failure`` says more.
    package func tryReceive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        if failure != nil { return -Int(EPROTO) }
        if flush() == -Int(EAGAIN), unsent.count > Self.maximumUnsent {
            socket.receiveWhenWritable()
            return -Int(EAGAIN)
        }
        var count = 0
        switch attempt({ openSSL.read(connection, buffer.baseAddress!, buffer.count, &count) }) {
        case .done: return count
        case .waits: return -Int(EAGAIN)
        case .closedCleanly: return 0
        case .systemError(let code): return -Int(code)
        case .ended: fail(.truncated, "\(server): the connection ended without close_notify")
        case .protocolError: fail(.protocolViolation, "\(server): \(openSSL.takeErrors())")
        }
        return -Int(EPROTO)
    }

    /// As ``Socket/trySend(_:)``, for plaintext. Octets count as sent once the kernel has taken all of their ciphertext;
    /// until then the answer is -EAGAIN, and the same octets are to be offered again.
    package func trySend(_ bytes: UnsafeRawBufferPointer) -> Int {
        if failure != nil { return -Int(EPROTO) }
        let pending = flush()
        if pending < 0 { return pending }
        if encrypted > 0 || bytes.isEmpty {
            defer { encrypted = 0 }
            return encrypted
        }
        var count = 0
        switch attempt({ openSSL.write(connection, bytes.baseAddress!, bytes.count, &count) }) {
        case .done:
            let pending = flush()
            if pending < 0 { encrypted = count }
            return pending < 0 ? pending : count
        case .waits: return -Int(EAGAIN)
        case .systemError(let code): return -Int(code)
        case .closedCleanly, .ended, .protocolError:
            fail(.protocolViolation, "\(server): \(openSSL.takeErrors())")
            return -Int(EPROTO)
        }
    }

    /// Says farewell (close_notify), if the kernel takes it now. Returns false if it does not.
    @discardableResult
    package func sendCloseNotify() -> Bool {
        guard failure == nil, !socket.isClosed else { return true }
        // 0: it is sent, and the peer's is not there.
        _ = attempt { openSSL.shutdown(connection) >= 0 ? 1 : -1 }
        return flush() != -Int(EAGAIN)
    }
}
