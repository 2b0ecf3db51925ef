/// What `Upgrade` and `Connection` say about a switch to another protocol (RFC 9110 §7.8).
extension HTTPFields {
    /// Whether text is a protocol as it stands in `Upgrade`: `protocol-name ["/" protocol-version]`, both tokens.
    static func isProtocol(_ text: String) -> Bool {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count <= 2 else { return false }
        return parts.allSatisfy { part in !part.isEmpty && part.allSatisfy(ASCII.isToken) }
    }

    /// Asks for, or announces, a switch to a protocol.
    mutating func setUpgrade(_ name: String) {
        self[.upgrade] = name
        if !contains(token: "upgrade", in: .connection) { append(name: .connection, value: "Upgrade") }
    }

    /// Whether `Upgrade` lists the protocol, in any case of its letters, and `Connection` names the field: without that it is
    /// about another connection than this one.
    func offersUpgrade(to name: String) -> Bool {
        guard contains(token: "upgrade", in: .connection) else { return false }
        return self[values: .upgrade].contains { value in
            value.utf8.split(separator: ASCII.comma).contains { Self.isSame($0, name) }
        }
    }

    /// Whether `Upgrade` names this protocol and no other, and `Connection` the field.
    func announcesUpgrade(to name: String) -> Bool {
        let values = self[values: .upgrade]
        return values.count == 1 && contains(token: "upgrade", in: .connection)
            && Self.isSame(values[0].utf8[...], name)
    }

    private static func isSame(_ element: Substring.UTF8View, _ name: String) -> Bool {
        let bytes = element.drop(while: ASCII.isWhitespace)
        let count = bytes.reversed().drop(while: ASCII.isWhitespace).count
        return bytes.prefix(count).elementsEqual(name.utf8) { ASCII.lowercase($0) == ASCII.lowercase($1) }
    }
}
