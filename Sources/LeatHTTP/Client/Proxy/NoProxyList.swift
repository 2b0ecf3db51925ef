import LeatNet

/// The hosts that are reached without a proxy: the value of `no_proxy`, with curl's rules.
///
/// Entries are separated by commas or spaces:
/// - `example.com` or `.example.com`: that name and all below it; not `notexample.com`;
/// - `192.0.2.1` or `2001:db8::1`: that address, however it is written;
/// - `192.0.2.0/24` or `2001:db8::/32`: the addresses of that network;
/// - any of the names and addresses with `:port` (an IPv6 address in brackets then): that port only;
/// - `*`: everything.
///
/// Names are compared without regard to case or a dot at their end, and are not looked up: an entry with an address does not
/// stand for the names that lead to it. What is none of these matches nothing.
public struct NoProxyList: Sendable, Hashable, ExpressibleByStringLiteral {
    private enum Hosts: Hashable {
        case all
        case name([UInt8])
        case network([UInt8], bits: Int)
    }

    private struct Entry: Hashable {
        let hosts: Hosts
        let port: UInt16?
    }

    private let entries: [Entry]

    /// An empty list, or the one that is written so.
    public init(_ text: String = "") {
        let words = text.utf8.split { $0 == UInt8(ascii: ",") || ASCII.isWhitespace($0) }
        entries = words.map { Self.entry(Array($0)) }
    }

    public init(stringLiteral value: String) { self.init(value) }

    /// Whether the list has nothing in it.
    public var isEmpty: Bool { entries.isEmpty }

    /// Whether a host (a name, or an address without brackets) is to be reached directly. O(entries).
    public func contains(host: String, port: UInt16) -> Bool {
        if entries.isEmpty { return false }
        let address = SocketAddress(ip: host, port: port)?.octets
        let name = Self.normalized(Array(host.utf8))
        return entries.contains { entry in
            guard entry.port == nil || entry.port == port else { return false }
            switch entry.hosts {
            case .all: return true
            case .network(let prefix, let bits): return address.map { Self.matches($0, prefix, bits) } ?? false
            case .name(let suffix): return address == nil && Self.isWithin(name, suffix)
            }
        }
    }

    // MARK: Parsing

    private static func entry(_ word: [UInt8]) -> Entry {
        if let hosts = hosts(word) { return Entry(hosts: hosts, port: nil) }
        if let colon = word.lastIndex(of: ASCII.colon),
            let hosts = hosts(Array(word[..<colon])) ?? name(word[..<colon]),
            let port = number(word[(colon + 1)...]).flatMap(UInt16.init(exactly:))
        {
            return Entry(hosts: hosts, port: port)
        }
        return Entry(hosts: name(word[...]) ?? .name([]), port: nil)
    }

    /// What is not a name.
    private static func hosts(_ word: [UInt8]) -> Hosts? {
        if word == [UInt8(ascii: "*")] { return .all }
        if let slash = word.lastIndex(of: ASCII.slash) {
            guard let octets = octets(word[..<slash]),
                let bits = number(word[(slash + 1)...]), bits <= octets.count * 8
            else { return nil }
            return .network(octets, bits: bits)
        }
        return octets(word[...]).map { .network($0, bits: $0.count * 8) }
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        digits.withUnsafeBytes { bytes in bytes.baseAddress.flatMap { ASCII.decimal($0, bytes.count) } }
    }

    private static func octets(_ word: ArraySlice<UInt8>) -> [UInt8]? {
        let isBracketed = word.first == UInt8(ascii: "[") && word.last == UInt8(ascii: "]") && word.count > 2
        let text = isBracketed ? word.dropFirst().dropLast() : word
        return SocketAddress(ip: String(decoding: text, as: UTF8.self), port: 0)?.octets
    }

    private static func name(_ word: ArraySlice<UInt8>) -> Hosts? {
        let name = normalized(Array(word.drop { $0 == UInt8(ascii: ".") }))
        return name.isEmpty ? nil : .name(name)
    }

    private static func normalized(_ name: [UInt8]) -> [UInt8] {
        let end = name.last == UInt8(ascii: ".") ? name.count - 1 : name.count
        return name[..<end].map(ASCII.lowercase)
    }

    // MARK: Matching

    /// Whether `name` is `suffix`, or ends with it after a dot.
    private static func isWithin(_ name: [UInt8], _ suffix: [UInt8]) -> Bool {
        guard !suffix.isEmpty, name.count >= suffix.count, name.suffix(suffix.count).elementsEqual(suffix) else {
            return false
        }
        return name.count == suffix.count || name[name.count - suffix.count - 1] == UInt8(ascii: ".")
    }

    private static func matches(_ address: [UInt8], _ prefix: [UInt8], _ bits: Int) -> Bool {
        guard address.count == prefix.count else { return false }
        return address.indices.allSatisfy { index in
            let mask = UInt8(truncatingIfNeeded: 0xFF00 >> min(max(bits - index * 8, 0), 8))
            return (address[index] ^ prefix[index]) & mask == 0
        }
    }
}
