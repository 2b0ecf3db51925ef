import Glibc
import LeatLoop
package import LeatReactor

/// TLS over a socket, driven without waiting: OpenSSL reads and writes memory, and the socket is asked by the same calls as
/// without TLS.
///
/// ```
///   plaintext ◄── SSL_read ──┐         ┌── BIO_write ◄── recv ── socket
///                            │ OpenSSL │
///   plaintext ── SSL_write ─►┘         └── BIO_read ───► send ── socket
/// ```
///
/// Confined to its loop.
package final class TLSChannel: @unchecked Sendable {
    let openSSL: OpenSSL
    private let context: TLSContext
    private let socket: Socket
    private let connection: OpaquePointer
    /// Owned by the connection.
    private let input: OpaquePointer
    private let output: OpaquePointer
    private let server: String
    /// Ciphertext that the kernel did not take yet.
    private var unsent: [UInt8] = []
    /// Octets of plaintext that are encrypted, in part still ``unsent``, and not yet reported as sent.
    private var encrypted = 0
    /// Why the connection is of no more use.
    package private(set) var failure: TLSError?

    /// - Parameter serverName: For a client: the host that the peer must prove to be, a name or an IP address.
    package init(_ context: TLSContext, socket: Socket, serverName: String = "", port: UInt16 = 0) throws(TLSError) {
        self.context = context
        self.socket = socket
        openSSL = context.openSSL
        server = "\(serverName):\(port)"
        openSSL.clearErrors()
        guard let connection = openSSL.new(context.pointer) else {
            throw TLSError(.configuration, openSSL.takeErrors())
        }
        guard let input = openSSL.newChannel(openSSL.memoryChannel()),
            let output = openSSL.newChannel(openSSL.memoryChannel())
        else {
            openSSL.free(connection)
            throw TLSError(.configuration, openSSL.takeErrors())
        }
        self.connection = connection
        self.input = input
        self.output = output
        openSSL.setChannels(connection, input, output)
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
    package var hasBufferedInput: Bool {
        openSSL.pending(connection) > 0 || openSSL.pendingInChannel(input) > 0
    }

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
        while true {
            openSSL.clearErrors()
            let result = openSSL.handshake(connection)
            let reason = result == 1 ? 0 : openSSL.error(connection, result)
            guard reason == 0 || reason == Self.wantRead else {
                let error = handshakeFailure()
                // The alert says to the peer what was wrong.
                _ = flush()
                return .failed(error)
            }
            let pending = flush()
            if pending == -Int(EAGAIN) { return .waiting(for: .writable) }
            if pending < 0 { return .failed(NetworkError(code: Int32(-pending), operation: "TLS handshake")) }
            if result == 1 { return .done }
            let count = feed()
            if count == 0 { return .failed(fail(.handshake, "the peer closed the connection during the handshake")) }
            if count == -Int(EAGAIN) { return .waiting(for: .readable) }
            if count < 0 { return .failed(NetworkError(code: Int32(-count), operation: "TLS handshake")) }
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

    /// SSL_ERROR_WANT_READ and SSL_ERROR_ZERO_RETURN.
    private static var wantRead: Int32 { 2 }
    private static var closedCleanly: Int32 { 6 }

    /// As ``Socket/tryReceive(into:)``, for plaintext. 0 is an end that the peer has announced; -EPROTO that
    /// ``failure`` says more.
    package func tryReceive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        if failure != nil { return -Int(EPROTO) }
        while true {
            var count = 0
            openSSL.clearErrors()
            let result = openSSL.read(connection, buffer.baseAddress!, buffer.count, &count)
            let reason = result == 1 ? 0 : openSSL.error(connection, result)
            // Reading can make something to send: an answer to a key update.
            _ = flush()
            switch reason {
            case 0: return count
            case Self.closedCleanly: return 0
            case Self.wantRead:
                let fed = feed()
                if fed > 0 { continue }
                if fed < 0 { return fed }
                fail(.truncated, "\(server): the connection ended without close_notify")
                return -Int(EPROTO)
            default:
                fail(.protocolViolation, "\(server): \(openSSL.takeErrors())")
                return -Int(EPROTO)
            }
        }
    }

    /// As ``Socket/trySend(_:)``, for plaintext. Octets count as sent once the kernel has taken all of their ciphertext;
    /// until then the answer is -EAGAIN, and the same octets are to be offered again.
    package func trySend(_ bytes: UnsafeRawBufferPointer) -> Int {
        if failure != nil { return -Int(EPROTO) }
        var pending = flush()
        if pending < 0 { return pending }
        if encrypted == 0, !bytes.isEmpty {
            openSSL.clearErrors()
            let result = openSSL.write(connection, bytes.baseAddress!, min(bytes.count, Self.maximumWrite), &encrypted)
            guard result == 1 else {
                fail(.protocolViolation, "\(server): \(openSSL.takeErrors())")
                return -Int(EPROTO)
            }
            pending = flush()
            if pending < 0 { return pending }
        }
        defer { encrypted = 0 }
        return encrypted
    }

    /// Says farewell, as far as the kernel takes it now.
    package func sendCloseNotify() {
        guard failure == nil, !socket.isClosed else { return }
        openSSL.clearErrors()
        _ = openSSL.shutdown(connection)
        _ = flush()
    }

    /// Plaintext that is encrypted at a time; with partial writes OpenSSL takes a record of 16 KiB of it.
    private static var maximumWrite: Int { 65536 }

    /// recv(2) into OpenSSL: octets, 0 at the end of the stream, or -errno.
    private func feed() -> Int {
        let count = socket.tryReceive(into: context.incoming)
        if count > 0 { _ = openSSL.writeChannel(input, context.incoming.baseAddress!, Int32(count)) }
        return count
    }

    /// Sends the ciphertext that there is. Returns 0 if that was all of it, or -errno.
    private func flush() -> Int {
        if !unsent.isEmpty {
            let sent = unsent.withUnsafeBytes { socket.trySend($0) }
            if sent > 0 { unsent.removeFirst(sent) }
            if !unsent.isEmpty { return sent < 0 ? sent : -Int(EAGAIN) }
        }
        while openSSL.pendingInChannel(output) > 0 {
            let room = context.outgoing
            let count = Int(openSSL.readChannel(output, room.baseAddress!, Int32(room.count)))
            guard count > 0 else { return 0 }
            let sent = socket.trySend(UnsafeRawBufferPointer(rebasing: room[..<count]))
            if sent != count {
                unsent.append(contentsOf: room[max(0, sent)..<count])
                return sent < 0 ? sent : -Int(EAGAIN)
            }
        }
        return 0
    }
}
