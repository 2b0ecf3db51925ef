public import LeatNet

/// What a handler can know about the connection that its request came by.
///
/// It costs nothing until it is asked. It may be kept: the addresses and the numbers stay what they were.
public struct HTTPServerContext: Sendable {
    private let server: HTTPServer
    private let peer: ServerPeer
    /// Tells the requests of a server apart: 1 for the first, and so on. The events of the server's observer have it, too.
    public let requestID: Int

    init(_ server: HTTPServer, _ peer: ServerPeer, request: Int) {
        self.server = server
        self.peer = peer
        requestID = request
    }

    /// Tells the connections of a server apart: 1 for the first, and so on.
    public var connectionID: Int { peer.number }

    /// Where the client is, or the last proxy before the server.
    public var remoteAddress: SocketAddress { peer.address }

    /// The address by which the client has reached the server. Costs a system call, getsockname(2). Once the connection is
    /// closed, it is the address at which the server listens.
    public var localAddress: SocketAddress { (peer.isClosed ? nil : peer.localAddress) ?? server.localAddress }

    /// What TLS has agreed on, and the client's certificate if it has shown one. Nil without TLS, and once the connection is
    /// closed.
    public var tls: TLSPeer? { peer.tls?.peer }
}
