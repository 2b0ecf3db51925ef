package import CLinux
import Glibc

/// Where a stream socket listens: an IPv4 or IPv6 address and a port (ip(7), ipv6(7)), or the name of a Unix socket
/// (unix(7)).
public struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
    private enum Storage: Hashable {
        /// In network byte order, as in `in_addr`.
        case v4(UInt32)
        /// The sixteen octets in two halves, as they lie in memory, and the scope of a link-local address.
        case v6(UInt64, UInt64, scope: UInt32)
        /// What stands in `sun_path`: a path without its NUL, an abstract name with the NUL before it, or nothing.
        case unix([UInt8])
    }

    private let storage: Storage
    /// The port, 0 to 65535. Binding to 0 lets the kernel choose. Without meaning for a Unix socket.
    public var port: UInt16

    /// Parses a literal address such as `127.0.0.1` or `::1`; nil if it is neither kind. Names are for ``Resolver``.
    public init?(ip: String, port: UInt16) {
        var v4 = in_addr()
        var v6 = in6_addr()
        if inet_pton(AF_INET, ip, &v4) == 1 {
            storage = .v4(v4.s_addr)
        } else if inet_pton(AF_INET6, ip, &v6) == 1 {
            storage = Self.storage(v6, scope: 0)
        } else {
            return nil
        }
        self.port = port
    }

    /// `127.0.0.1` and a port.
    public static func loopback(port: UInt16) -> SocketAddress {
        SocketAddress(ip: "127.0.0.1", port: port)!
    }

    /// Every address of the machine: `0.0.0.0` and a port.
    public static func any(port: UInt16) -> SocketAddress {
        SocketAddress(ip: "0.0.0.0", port: port)!
    }

    public var isIPv6: Bool {
        if case .v6 = storage { true } else { false }
    }

    /// The address alone, such as `127.0.0.1` or `fe80::1`; empty for a Unix socket.
    public var ip: String {
        if isUnix { return "" }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
            withSockaddr { address, _ in
                let raw = UnsafeRawPointer(address)
                let offset = isIPv6 ? MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr)! : 4
                inet_ntop(family, raw + offset, text.baseAddress!, socklen_t(text.count))
            }
            return String(cString: text.baseAddress!)
        }
    }

    /// For example `127.0.0.1:80`, `[::1]:80`, `unix:/run/app.sock`, or `unix:@app` for an abstract name.
    public var description: String {
        switch storage {
        case .v4: "\(ip):\(port)"
        case .v6: "[\(ip)]:\(port)"
        case .unix(let name) where name.first == 0: "unix:@\(String(decoding: name.dropFirst(), as: UTF8.self))"
        case .unix(let name): "unix:\(String(decoding: name, as: UTF8.self))"
        }
    }

    // MARK: The kernel's form

    package var family: Int32 {
        switch storage {
        case .v4: AF_INET
        case .v6: AF_INET6
        case .unix: AF_UNIX
        }
    }

    package func withSockaddr<T>(_ body: (UnsafePointer<sockaddr>, socklen_t) throws -> T) rethrows -> T {
        func pass<Address>(_ address: Address) throws -> T {
            try withUnsafePointer(to: address) { pointer in
                try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    try body($0, socklen_t(MemoryLayout<Address>.size))
                }
            }
        }
        switch storage {
        case .v4(let bits):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = bits
            return try pass(address)
        case .v6(let high, let low, let scope):
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_addr = unsafeBitCast((high, low), to: in6_addr.self)
            address.sin6_scope_id = scope
            return try pass(address)
        case .unix(let name):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
            // An abstract name ends where its length says, a path with a NUL.
            let length = Self.unixHeader + name.count + (name.first == 0 ? 0 : 1)
            return try withUnsafePointer(to: address) { pointer in
                try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { try body($0, socklen_t(length)) }
            }
        }
    }

    /// Reads what the kernel or the resolver filled in; nil for other families.
    package init?(_ address: UnsafePointer<sockaddr>, length: socklen_t) {
        let raw = UnsafeRawPointer(address)
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            let v4 = raw.loadUnaligned(as: sockaddr_in.self)
            storage = .v4(v4.sin_addr.s_addr)
            port = UInt16(bigEndian: v4.sin_port)
        case AF_INET6:
            let v6 = raw.loadUnaligned(as: sockaddr_in6.self)
            storage = Self.storage(v6.sin6_addr, scope: v6.sin6_scope_id)
            port = UInt16(bigEndian: v6.sin6_port)
        case AF_UNIX:
            let room = UnsafeRawBufferPointer(start: raw, count: Int(length)).dropFirst(Self.unixHeader)
            storage = .unix(room.first == 0 ? Array(room) : Array(room.prefix { $0 != 0 }))
            port = 0
        default:
            return nil
        }
    }

    private static func storage(_ address: in6_addr, scope: UInt32) -> Storage {
        let (high, low) = unsafeBitCast(address, to: (UInt64, UInt64).self)
        return .v6(high, low, scope: scope)
    }

    /// Lets `call` (getsockname(2), getpeername(2), accept4(2)) fill in an address.
    package static func filled(
        by call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int
    ) -> (result: Int, address: SocketAddress?) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                let result = call(address, &length)
                return (result, result >= 0 ? SocketAddress(address, length: length) : nil)
            }
        }
    }
}

// MARK: Unix sockets

extension SocketAddress {
    /// The octets before `sun_path`.
    private static var unixHeader: Int { MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! }
    /// The octets of a path, without its NUL; and of an abstract name, with the NUL before it.
    private static var longestUnixName: Int { MemoryLayout<sockaddr_un>.size - unixHeader - 1 }

    /// A Unix socket with a name in the file system, of at most 107 octets. A relative path is one from the directory that is
    /// current when the address is used. Throws ``NetworkError`` if the path is empty, too long or contains a NUL.
    public static func unix(path: String) throws(NetworkError) -> SocketAddress {
        let name = Array(path.utf8)
        guard !name.isEmpty, !name.contains(0) else {
            throw NetworkError(code: EINVAL, operation: "use \(path.debugDescription) as the path of a Unix socket")
        }
        return try SocketAddress(unixName: name)
    }

    /// A Unix socket with an abstract name, which is no file and ends with its listener (Linux only), of at most 106 octets.
    /// Throws ``NetworkError`` if the name is empty or too long.
    public static func unix(abstractName name: String) throws(NetworkError) -> SocketAddress {
        guard !name.isEmpty else {
            throw NetworkError(code: EINVAL, operation: "use an empty name for an abstract Unix socket")
        }
        return try SocketAddress(unixName: [0] + Array(name.utf8))
    }

    private init(unixName name: [UInt8]) throws(NetworkError) {
        guard name.count <= Self.longestUnixName else {
            let operation = "use a Unix socket's name of \(name.count) octets, more than \(Self.longestUnixName)"
            throw NetworkError(code: ENAMETOOLONG, operation: operation)
        }
        storage = .unix(name)
        port = 0
    }

    public var isUnix: Bool {
        if case .unix = storage { true } else { false }
    }

    /// The path of a Unix socket that has one; nil for anything else.
    public var unixPath: String? {
        guard case .unix(let name) = storage, let first = name.first, first != 0 else { return nil }
        return String(decoding: name, as: UTF8.self)
    }
}

extension SocketAddress {
    /// The octets of an IP address, 4 or 16, as they are sent; none for a Unix socket.
    package var octets: [UInt8] {
        switch storage {
        case .v4(let bits): withUnsafeBytes(of: bits) { Array($0) }
        case .v6(let high, let low, _): withUnsafeBytes(of: (high, low)) { Array($0) }
        case .unix: []
        }
    }
}
