import Glibc
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@Suite(.timeLimit(.minutes(2)), .enabled(if: TLSFixtures.isAvailable, "the openssl command is not installed"))
struct TLSPeerTests {
    private let files = TLSFixtures.shared

    /// What both sides of a connection know about the other after the handshake.
    private func peers(
        serverName: String = "localhost",
        _ server: TLSConfiguration,
        _ client: TLSConfiguration
    ) async throws -> (ofServer: TLSPeer, ofClient: TLSPeer) {
        let listener = try TCPListener.bind(to: .loopback(port: 0))
        defer { listener.close() }
        let accepted = onLoop {
            let socket = try await listener.acceptSocket()
            let channel = try TLSChannel(TLSContext(server, role: .server), socket: socket)
            try await channel.handshake(until: .distantFuture)
            defer { socket.close() }
            return channel.peer
        }
        let socket = try await Socket.connect(to: listener.localAddress, loop: .current)
        let channel = try TLSChannel(TLSContext(client, role: .client), socket: socket, serverName: serverName)
        try await channel.handshake(until: .distantFuture)
        let ofServer = try await accepted.value
        defer { socket.close() }
        return (ofServer, channel.peer)
    }

    private func read(_ name: String) -> [UInt8] {
        guard let file = fopen(files.path(name), "r") else { return [] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65536)
        return Array(bytes[..<fread(&bytes, 1, bytes.count, file)])
    }

    @Test func bothSidesKnowWhatWasAgreedOn() throws {
        try runHTTPLoop {
            let (ofServer, ofClient) = try await peers(files.server(), files.client)
            #expect(ofServer.version == "TLSv1.3" && ofServer.applicationProtocol == "http/1.1")
            #expect(ofServer.serverName == "localhost" && ofServer.clientCertificate == nil)
            #expect(ofClient.version == "TLSv1.3" && ofClient.clientCertificate == nil)
        }
    }

    @Test func aClientThatConnectsToAnAddressNamesNoHost() throws {
        try runHTTPLoop {
            let (ofServer, _) = try await peers(serverName: "127.0.0.1", files.server(), files.client)
            #expect(ofServer.serverName == nil)
        }
    }

    @Test func aServerKnowsTheCertificateOfItsClient() throws {
        try runHTTPLoop {
            var server = files.server()
            server.requiresClientCertificate = true
            server.trustRoots = .file(files.path("ca.pem"))
            var client = files.client
            client.certificateChainFile = files.path("member.pem")
            client.privateKeyFile = files.path("member.key")
            let first = try await peers(server, client).ofServer
            let certificate = try #require(first.clientCertificate)
            #expect(certificate.subject == "CN=ada,O=Mühle\\, Söhne")
            #expect(certificate.der == read("member.der") && !certificate.der.isEmpty)
            #expect(certificate.sha256Fingerprint == read("member.sha256"))
            #expect(try await peers(server, client).ofServer == first)
        }
    }

    /// A server that accepts no name would forget it when a session of TLS 1.2 is resumed.
    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func aResumedConnectionKnowsItsPeer(_ version: String) throws {
        try runHTTPLoop(realTime: true) {
            var configuration = files.server()
            configuration.requiresClientCertificate = true
            configuration.trustRoots = .file(files.path("ca.pem"))
            let context = try TLSContext(configuration, role: .server)
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let session = "session\(version)-\(listener.localAddress.port)"
            for isResumed in [false, true] {
                let peer = PeerProcess(
                    """
                    openssl s_client -connect \(listener.localAddress) -servername localhost \(version) -alpn http/1.1 \
                    -cert \(files.path("member.pem")) -key \(files.path("member.key")) -ign_eof \
                    \(isResumed ? "-sess_in" : "-sess_out") \(files.path(session)) >/dev/null 2>&1 </dev/null
                    """
                )
                defer { withExtendedLifetime(peer) {} }
                let socket = try await listener.acceptSocket()
                let channel = try TLSChannel(context, socket: socket)
                try await channel.handshake(until: .distantFuture)
                #expect(channel.wasResumed == isResumed)
                #expect(channel.peer.serverName == "localhost")
                #expect(channel.peer.clientCertificate?.subject == "CN=ada,O=Mühle\\, Söhne")
                // The peer ends when it sees the end, and has written its session by then.
                channel.sendCloseNotify()
                socket.close()
                for _ in 0..<200 where read(session).isEmpty { try await sleep(for: .milliseconds(20)) }
            }
        }
    }
}
