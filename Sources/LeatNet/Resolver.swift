import CLinux
import Glibc
import LeatLoop

/// Name resolution by the system's own resolver, getaddrinfo(3), on one of the loop's offload threads.
public enum Resolver {
    /// The stream addresses of a host, in the order in which they should be tried (RFC 6724). A literal address is
    /// returned as it is, without a thread. Throws ``NetworkError`` of kind `.nameNotFound`, or `CancellationError`.
    public static func resolve(host: String, port: UInt16) async throws -> [SocketAddress] {
        if let literal = SocketAddress(ip: host, port: port) { return [literal] }
        guard !host.utf8.contains(0) else {
            throw NetworkError(.nameNotFound, operation: "resolve", detail: "the name contains a NUL")
        }
        return try await EventLoop.current.offload { try lookUp(host: host, port: port) }
    }

    private static func lookUp(host: String, port: UInt16) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, nil, &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        guard status == 0 else {
            let detail = String(cString: gai_strerror(status))
            throw NetworkError(.nameNotFound, operation: "resolve \(host)", detail: detail)
        }
        var addresses: [SocketAddress] = []
        var entry = list
        while let current = entry {
            if let raw = current.pointee.ai_addr, var address = SocketAddress(raw, length: current.pointee.ai_addrlen) {
                address.port = port
                addresses.append(address)
            }
            entry = current.pointee.ai_next
        }
        return addresses
    }
}
