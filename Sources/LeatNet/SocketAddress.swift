package import CLinux

/// An IPv4 or IPv6 address and a port (ip(7), ipv6(7)).
public struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
    private enum Storage: Hashable {
        /// In network byte order, as in `in_addr`.
        case v4(UInt32)
        /// The sixteen octets in two halves, as they lie in memory, and the scope of a link-local address.
        case v6(UInt64, UInt64, scope: UInt32)
    }

    private let storage: Storage
    /// The port, 0 to 65535. Binding to 0 lets the kernel choose.
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

    /// The address alone, such as `127.0.0.1` or `fe80::1`.
    public var ip: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
            withSockaddr { address, _ in
                let raw = UnsafeRawPointer(address)
                let offset = isIPv6 ? MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr)! : 4
                inet_ntop(family, raw + offset, text.baseAddress!, socklen_t(text.count))
            }
            return String(cString: text.baseAddress!)
        }
    }

    /// For example `127.0.0.1:80` or `[::1]:80`.
    public var description: String {
        isIPv6 ? "[\(ip)]:\(port)" : "\(ip):\(port)"
    }

    // MARK: The kernel's form

    package var family: Int32 { isIPv6 ? AF_INET6 : AF_INET }

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
        }
    }

    /// Reads what the kernel or the resolver filled in; nil for other families.
    package init?(_ address: UnsafePointer<sockaddr>) {
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
                return (result, result >= 0 ? SocketAddress(address) : nil)
            }
        }
    }
}
