import CLinux
internal import Glibc

/// The grammar of `host [":" port]` as it stands in a URL, in `Host` and in the target of `CONNECT`
/// (RFC 3986 §3.2.2, RFC 9110 §7.2), without the user information that http URLs no longer have.
struct Authority {
    /// What is wrong with an authority.
    enum Fault: Hashable {
        case userInformation
        case emptyHost
        case invalidHostByte(UInt8)
        case invalidIPv6Address
        case invalidPort
    }

    struct SyntaxError: Error, Hashable {
        var fault: Fault
        /// Where in the authority, in bytes.
        var offset: Int
    }

    /// The host within the bytes; for an IPv6 address, what is between the brackets.
    var host: Range<Int>
    var isIPv6: Bool
    /// Nil if there is none. An empty one, as in `example.com:`, is none: both mean the scheme's own (RFC 9110 §4.2.3).
    var port: UInt16?

    /// Parses all of the bytes. An empty host is refused.
    init(parsing start: UnsafeRawPointer, _ count: Int) throws(SyntaxError) {
        let colon: Int
        if count > 0, start.load(as: UInt8.self) == UInt8(ascii: "[") {
            host = try Self.bracketed(start, count)
            isIPv6 = true
            colon = host.upperBound + 1
            if colon < count, start.load(fromByteOffset: colon, as: UInt8.self) != ASCII.colon {
                throw SyntaxError(fault: .invalidIPv6Address, offset: colon)
            }
        } else {
            colon = try Self.endOfName(start, count)
            host = 0..<colon
            isIPv6 = false
            if colon == 0 { throw SyntaxError(fault: .emptyHost, offset: 0) }
        }
        port = colon + 1 < count ? try Self.port(start, colon + 1..<count) : nil
    }

    /// The end of a registered name or IPv4 address: the colon, or the end of the bytes.
    private static func endOfName(_ start: UnsafeRawPointer, _ count: Int) throws(SyntaxError) -> Int {
        var index = 0
        while index < count {
            let byte = start.load(fromByteOffset: index, as: UInt8.self)
            if byte == ASCII.colon {
                // "user:password@host" is told from "host:port" by the "@" that follows.
                if let at = userInformation(start, count, from: index) { throw at }
                return index
            }
            if byte == UInt8(ascii: "%"), isPercentEncoded(start, count, at: index) {
                index += 3
            } else if ASCII.isRegisteredName(byte) {
                index += 1
            } else {
                if let at = userInformation(start, count, from: index) { throw at }
                throw SyntaxError(fault: .invalidHostByte(byte), offset: index)
            }
        }
        return index
    }

    private static func userInformation(_ start: UnsafeRawPointer, _ count: Int, from index: Int) -> SyntaxError? {
        for offset in index..<count where start.load(fromByteOffset: offset, as: UInt8.self) == UInt8(ascii: "@") {
            return SyntaxError(fault: .userInformation, offset: offset)
        }
        return nil
    }

    private static func isPercentEncoded(_ start: UnsafeRawPointer, _ count: Int, at index: Int) -> Bool {
        index + 2 < count
            && ASCII.hexValue(start.load(fromByteOffset: index + 1, as: UInt8.self)) != nil
            && ASCII.hexValue(start.load(fromByteOffset: index + 2, as: UInt8.self)) != nil
    }

    /// The range of the IPv6 address between brackets. Zone identifiers and future versions are refused.
    private static func bracketed(_ start: UnsafeRawPointer, _ count: Int) throws(SyntaxError) -> Range<Int> {
        for index in 1..<count where start.load(fromByteOffset: index, as: UInt8.self) == UInt8(ascii: "]") {
            guard isIPv6Address(start + 1, index - 1) else { break }
            return 1..<index
        }
        throw SyntaxError(fault: .invalidIPv6Address, offset: 0)
    }

    private static func isIPv6Address(_ start: UnsafeRawPointer, _ count: Int) -> Bool {
        // The longest form, with an embedded IPv4 address, has 45 characters. NUL would end the text early.
        guard count <= 45, memchr(start, 0, count) == nil else { return false }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 46) { text in
            guard let base = text.baseAddress else { return false }
            memcpy(base, start, count)
            base[count] = 0
            var address = in6_addr()
            return inet_pton(AF_INET6, base, &address) == 1
        }
    }

    /// Digits only, 1 to 65535.
    private static func port(_ start: UnsafeRawPointer, _ range: Range<Int>) throws(SyntaxError) -> UInt16 {
        guard let value = ASCII.decimal(start + range.lowerBound, range.count), value > 0,
            let port = UInt16(exactly: value)
        else { throw SyntaxError(fault: .invalidPort, offset: range.lowerBound) }
        return port
    }
}
