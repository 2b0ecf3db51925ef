import LeatNet

/// A cookie as a server has set it (RFC 6265 §5.3).
public struct Cookie: Sendable, Hashable {
    public let name: String
    public let value: String
    /// The host it is for, in lower case.
    public let domain: String
    /// Whether it is for ``domain`` only, and not for the hosts below it.
    public let isHostOnly: Bool
    /// The path it is for, with everything below it.
    public let path: String
    /// In seconds since 1970; nil for a cookie of the session.
    public let expires: Int?
    /// Whether it is sent by `https` only.
    public let isSecure: Bool
    /// Whether scripts of a browser must not see it. Kept, and of no effect here.
    public let isHTTPOnly: Bool
    /// What `SameSite` said. Kept, and of no effect here: there are no sites.
    public let sameSite: String?

    /// Whether it belongs to requests for `url`.
    func matches(_ url: HTTPURL) -> Bool {
        (isHostOnly ? url.host == domain : Self.host(url.host, isIn: domain))
            && Self.path(url.path, isIn: path) && (url.isSecure || !isSecure)
    }

    func isExpired(at now: Int) -> Bool { expires.map { $0 <= now } ?? false }

    /// Whether a host is the domain or below it (§5.1.3). An address is below nothing.
    static func host(_ host: String, isIn domain: String) -> Bool {
        if host == domain { return true }
        let above = host.utf8.suffix(domain.utf8.count + 1)
        return above.first == UInt8(ascii: ".") && above.dropFirst().elementsEqual(domain.utf8)
            && SocketAddress(ip: host, port: 0) == nil
    }

    /// §5.1.4.
    static func path(_ path: String, isIn prefix: String) -> Bool {
        let path = path.utf8.prefix { $0 != UInt8(ascii: "?") }
        guard path.starts(with: prefix.utf8) else { return false }
        return path.count == prefix.utf8.count || prefix.utf8.last == ASCII.slash
            || path.dropFirst(prefix.utf8.count).first == ASCII.slash
    }

    /// The directory of a request's path (§5.1.4): what a cookie without a path is for.
    static func defaultPath(of url: HTTPURL) -> String {
        let path = url.path.prefix { $0 != "?" }
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }
}

extension Cookie {
    /// Reads a `Set-Cookie` as §5.2 says, and checks it as §5.3 and the rules for name prefixes do. Nil if it is not to be
    /// kept: for a foreign host, for a domain of one label, from `http` although it wants to be secure, with a control
    /// character or a tab, or larger than 4,096 octets.
    init?(setCookie text: String, from url: HTTPURL, now: Int) {
        guard text.utf8.count <= 4096, HTTPField.isValidValue(text) else { return nil }
        // By octets: to Swift, a semicolon before a combining mark is another character, and no semicolon.
        var parts = text.utf8.split(separator: ASCII.semicolon, omittingEmptySubsequences: false).makeIterator()
        guard let pair = parts.next().map(Substring.init), let equals = pair.utf8.firstIndex(of: ASCII.equals)
        else { return nil }
        let name = String(Self.trimmed(pair[..<equals]))
        guard !name.isEmpty else { return nil }
        var attributes = Attributes()
        while let part = parts.next() { attributes.read(Substring(part), now: now) }
        self.name = name
        value = String(Self.trimmed(pair[pair.utf8.index(after: equals)...]))
        if let domain = attributes.domain, domain != url.host {
            // A domain of one label, such as `com` or `com.`, would reach every host below it.
            guard domain.utf8.split(separator: UInt8(ascii: ".")).count > 1, Self.host(url.host, isIn: domain)
            else { return nil }
            self.domain = domain
            isHostOnly = false
        } else {
            domain = url.host
            isHostOnly = attributes.domain == nil || SocketAddress(ip: url.host, port: 0) != nil
        }
        path = attributes.path ?? Self.defaultPath(of: url)
        expires = attributes.maximumAge ?? attributes.expires
        isSecure = attributes.isSecure
        isHTTPOnly = attributes.isHTTPOnly
        sameSite = attributes.sameSite
        // A tab ends a field of `cookies.txt`, and a host's first dot has a meaning there. curl refuses the tab, too.
        for part in [self.name, value, path] where part.utf8.contains(ASCII.tab) { return nil }
        if domain.utf8.first == UInt8(ascii: ".") { return nil }
        guard url.isSecure || !isSecure else { return nil }
        if name.utf8.starts(with: "__Secure-".utf8), !isSecure { return nil }
        if name.utf8.starts(with: "__Host-".utf8), !isSecure || !isHostOnly || path != "/" { return nil }
    }

    private struct Attributes {
        var domain: String?
        var path: String?
        var expires: Int?
        var maximumAge: Int?
        var isSecure = false
        var isHTTPOnly = false
        var sameSite: String?

        mutating func read(_ attribute: Substring, now: Int) {
            let equals = attribute.utf8.firstIndex(of: ASCII.equals)
            let name = Cookie.trimmed(attribute[..<(equals ?? attribute.endIndex)]).lowercased()
            let value = Cookie.trimmed(equals.map { attribute[attribute.utf8.index(after: $0)...] } ?? "")
            switch name {
            case "domain":
                let host = value.hasPrefix(".") ? value.dropFirst() : value
                if !host.isEmpty { domain = String(decoding: host.utf8.map(ASCII.lowercase), as: UTF8.self) }
            case "path": path = value.utf8.first == ASCII.slash ? String(value) : nil
            case "expires": if let date = CookieDate.parse(value) { expires = date }
            case "max-age":
                let digits = value.hasPrefix("-") ? value.dropFirst() : value
                guard !digits.isEmpty, digits.utf8.allSatisfy(ASCII.isDigit) else { return }
                // As good as never, where the sum would overflow.
                let seconds = value.hasPrefix("-") ? 0 : min(Int(digits) ?? .max, 1 << 40)
                maximumAge = seconds == 0 ? Int.min : now + seconds
            case "secure": isSecure = true
            case "httponly": isHTTPOnly = true
            case "samesite": sameSite = String(value)
            default: break
            }
        }
    }

    static func trimmed(_ text: Substring) -> Substring {
        var bytes = text.utf8
        while let first = bytes.first, ASCII.isWhitespace(first) { bytes = bytes.dropFirst() }
        while let last = bytes.last, ASCII.isWhitespace(last) { bytes = bytes.dropLast() }
        return Substring(bytes)
    }
}
