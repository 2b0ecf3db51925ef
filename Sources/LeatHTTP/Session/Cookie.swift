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
        return host.hasSuffix("." + domain) && SocketAddress(ip: host, port: 0) == nil
    }

    /// §5.1.4.
    static func path(_ path: String, isIn prefix: String) -> Bool {
        let path = path.prefix { $0 != "?" }
        guard path.hasPrefix(prefix) else { return false }
        return path.utf8.count == prefix.utf8.count || prefix.hasSuffix("/")
            || path.utf8.dropFirst(prefix.utf8.count).first == ASCII.slash
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
    /// character, or larger than 4,096 octets.
    init?(setCookie text: String, from url: HTTPURL, now: Int) {
        guard text.utf8.count <= 4096, HTTPField.isValidValue(text) else { return nil }
        var parts = text.split(separator: ";", omittingEmptySubsequences: false).makeIterator()
        guard let pair = parts.next(), let equals = pair.firstIndex(of: "=") else { return nil }
        let name = String(Self.trimmed(pair[..<equals]))
        guard !name.isEmpty else { return nil }
        var attributes = Attributes()
        while let part = parts.next() { attributes.read(part, now: now) }
        self.name = name
        value = String(Self.trimmed(pair[pair.index(after: equals)...]))
        if let domain = attributes.domain, domain != url.host {
            // A domain of one label, such as `com`, would reach every host below it.
            guard domain.utf8.contains(UInt8(ascii: ".")), Self.host(url.host, isIn: domain) else { return nil }
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
        guard url.isSecure || !isSecure else { return nil }
        if name.hasPrefix("__Secure-"), !isSecure { return nil }
        if name.hasPrefix("__Host-"), !isSecure || !isHostOnly || path != "/" { return nil }
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
            let equals = attribute.firstIndex(of: "=")
            let name = Cookie.trimmed(attribute[..<(equals ?? attribute.endIndex)]).lowercased()
            let value = Cookie.trimmed(equals.map { attribute[attribute.index(after: $0)...] } ?? "")
            switch name {
            case "domain":
                let host = value.hasPrefix(".") ? value.dropFirst() : value
                if !host.isEmpty { domain = String(decoding: host.utf8.map(ASCII.lowercase), as: UTF8.self) }
            case "path": path = value.hasPrefix("/") ? String(value) : nil
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
        var text = text
        while let first = text.utf8.first, ASCII.isWhitespace(first) { text = text.dropFirst() }
        while let last = text.utf8.last, ASCII.isWhitespace(last) { text = text.dropLast() }
        return text
    }
}
