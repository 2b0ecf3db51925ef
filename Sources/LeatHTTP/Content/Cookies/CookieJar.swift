import Glibc

/// The cookies of a client (RFC 6265): stored as responses bring them, sent with the requests they are for.
///
/// ```swift
/// var configuration = HTTPClient.Configuration()
/// configuration.cookies = CookieJar()
/// ```
///
/// At most 50 cookies to a domain and 3,000 in all; beyond that the expired ones go first, then the oldest.
///
/// A server can set a cookie for the domains above its own, but not for a single label (`com`). There is no list of public
/// suffixes here, so `a.co.uk` could set one for all of `co.uk`: give hosts that do not trust each other a jar each.
///
/// Confined to its loop, like the clients that share it.
public final class CookieJar: @unchecked Sendable {
    private struct Entry {
        let cookie: Cookie
        /// In which order cookies came; one that is set again keeps its place.
        let number: Int
    }

    private static let maximumPerDomain = 50
    private static let maximum = 3_000
    /// Of a `Cookie` field, in octets. Servers refuse fields not much longer; curl has the same bound.
    private static let maximumHeader = 8_190

    /// By domain, oldest first.
    private var domains: [String: [Entry]] = [:]
    private var count = 0
    private var nextNumber = 0
    /// Before this there is nothing that has expired.
    private var firstExpiry = Int.max
    private let now: @Sendable () -> Int

    /// An empty jar.
    public convenience init() {
        self.init(now: { time(nil) })
    }

    /// A jar that takes the time, in seconds since 1970, from elsewhere.
    package init(now: @escaping @Sendable () -> Int) {
        self.now = now
    }

    /// All cookies that have not expired, oldest first.
    public var cookies: [Cookie] {
        let now = now()
        return domains.values.joined().filter { !$0.cookie.isExpired(at: now) }.sorted { $0.number < $1.number }
            .map(\.cookie)
    }

    /// Forgets all cookies.
    public func removeAll() {
        domains.removeAll()
        count = 0
    }

    /// Stores what the `Set-Cookie` fields of a response from `url` say. Those that may not be set are ignored.
    public func store(_ fields: HTTPFields, from url: HTTPURL) {
        for text in fields[values: .setCookie] {
            guard let cookie = Cookie(setCookie: text, from: url, now: now()) else { continue }
            if url.isSecure || !overlaysSecureCookie(cookie) { insert(cookie) }
        }
    }

    /// The value of `Cookie` for a request; nil if there are none. Longer paths first, then older cookies (§5.4), as many
    /// as there is room for in 8,190 octets.
    public func header(for url: HTTPURL) -> String? {
        if domains.isEmpty { return nil }
        let now = now()
        let matching = Self.domains(above: url.host).flatMap { domain in
            domains[domain, default: []].filter { $0.cookie.matches(url) && !$0.cookie.isExpired(at: now) }
        }
        if matching.isEmpty { return nil }
        let ordered = matching.sorted {
            let (left, right) = ($0.cookie.path.utf8.count, $1.cookie.path.utf8.count)
            return left != right ? left > right : $0.number < $1.number
        }
        var header = ""
        for cookie in ordered.lazy.map(\.cookie) {
            let length = cookie.name.utf8.count + cookie.value.utf8.count + 3
            guard header.utf8.count + length <= Self.maximumHeader else { break }
            header += "\(header.isEmpty ? "" : "; ")\(cookie.name)=\(cookie.value)"
        }
        return header
    }

    /// A host and the domains that it is in: `a.b.c`, `b.c`, `c`.
    private static func domains(above host: String) -> [String] {
        [host] + host.indices.lazy.filter { host[$0] == "." }.map { String(host[host.index(after: $0)...]) }
    }

    /// Whether a cookie that came by `http` would be sent in place of one that is for `https` only. Whoever can alter the one
    /// connection could otherwise choose the cookies of the other.
    private func overlaysSecureCookie(_ cookie: Cookie) -> Bool {
        domains.values.joined().contains { entry in
            let other = entry.cookie
            return other.isSecure && other.name == cookie.name && Cookie.path(cookie.path, isIn: other.path)
                && (Cookie.host(cookie.domain, isIn: other.domain) || Cookie.host(other.domain, isIn: cookie.domain))
        }
    }

    private func insert(_ cookie: Cookie) {
        let known = domains[cookie.domain]?.firstIndex {
            $0.cookie.name == cookie.name && $0.cookie.path == cookie.path
        }
        // A server takes a cookie back by setting one that has expired.
        if cookie.isExpired(at: now()) {
            if let known { remove(at: known, of: cookie.domain) }
        } else if let known {
            let number = domains[cookie.domain]![known].number
            domains[cookie.domain]![known] = Entry(cookie: cookie, number: number)
        } else {
            makeRoom(for: cookie.domain)
            domains[cookie.domain, default: []].append(Entry(cookie: cookie, number: nextNumber))
            nextNumber += 1
            count += 1
        }
        firstExpiry = min(firstExpiry, cookie.expires ?? .max)
    }

    private func makeRoom(for domain: String) {
        let isDomainFull = domains[domain].map { $0.count >= Self.maximumPerDomain } ?? false
        guard isDomainFull || count >= Self.maximum else { return }
        removeExpired()
        if let entries = domains[domain], entries.count >= Self.maximumPerDomain { remove(at: 0, of: domain) }
        guard count >= Self.maximum else { return }
        let oldest = domains.min { $0.value[0].number < $1.value[0].number }
        if let oldest { remove(at: 0, of: oldest.key) }
    }

    private func removeExpired() {
        let now = now()
        guard firstExpiry <= now else { return }
        domains = domains.compactMapValues { entries in
            let left = entries.filter { !$0.cookie.isExpired(at: now) }
            return left.isEmpty ? nil : left
        }
        count = domains.values.reduce(0) { $0 + $1.count }
        firstExpiry = domains.values.joined().compactMap(\.cookie.expires).min() ?? .max
    }

    private func remove(at index: Int, of domain: String) {
        domains[domain]!.remove(at: index)
        if domains[domain]!.isEmpty { domains[domain] = nil }
        count -= 1
    }
}

// MARK: - As text

extension CookieJar {
    /// The cookies in the format of Netscape's `cookies.txt`, which curl reads and writes: a line for each, seven fields
    /// separated by tabs (domain, whether hosts below it count, path, whether secure, expiry or 0, name, value). Cookies
    /// of the session are among them. `SameSite` is not.
    public var text: String {
        var text = "# Netscape HTTP Cookie File\n"
        for cookie in cookies {
            let domain = (cookie.isHTTPOnly ? "#HttpOnly_" : "") + (cookie.isHostOnly ? "" : ".") + cookie.domain
            let fields = [
                domain, cookie.isHostOnly ? "FALSE" : "TRUE", cookie.path, cookie.isSecure ? "TRUE" : "FALSE",
                "\(cookie.expires ?? 0)", cookie.name, cookie.value,
            ]
            text += fields.joined(separator: "\t") + "\n"
        }
        return text
    }

    /// Adds the cookies of a text in that format, whose lines end with LF or CRLF. Throws ``HTTPError`` of kind
    /// `.malformed`, naming the line.
    public func load(_ text: String) throws(HTTPError) {
        let lines = text.utf8.split(separator: ASCII.lineFeed, omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            let line = line.last == ASCII.carriageReturn ? line.dropLast() : line
            let isHTTPOnly = line.starts(with: "#HttpOnly_".utf8)
            if line.isEmpty || line.first == UInt8(ascii: "#") && !isHTTPOnly { continue }
            guard let cookie = Self.cookie(Substring(isHTTPOnly ? line.dropFirst(10) : line), isHTTPOnly) else {
                throw HTTPError(.malformed, "line \(index + 1) of the cookies is not one")
            }
            insert(cookie)
        }
    }

    private static func cookie(_ line: Substring, _ isHTTPOnly: Bool) -> Cookie? {
        let fields = line.utf8.split(separator: ASCII.tab, omittingEmptySubsequences: false).map(Substring.init)
        func flag(_ text: Substring) -> Bool? { text == "TRUE" ? true : text == "FALSE" ? false : nil }
        guard fields.count == 7, HTTPField.isValidValue(String(line)),
            let reachesBelow = flag(fields[1]), fields[2].utf8.first == ASCII.slash, let isSecure = flag(fields[3]),
            let expires = Int(fields[4]), expires >= 0, !fields[5].isEmpty,
            !fields[5].utf8.contains(where: { $0 == ASCII.semicolon || $0 == ASCII.equals }),
            !fields[6].utf8.contains(ASCII.semicolon)
        else { return nil }
        let domain = fields[0].utf8.first == UInt8(ascii: ".") ? fields[0].utf8.dropFirst() : fields[0].utf8
        guard let first = domain.first, first != UInt8(ascii: "."),
            domain.allSatisfy({ ASCII.isRegisteredName($0) || $0 == ASCII.colon })
        else { return nil }
        return Cookie(
            name: String(fields[5]),
            value: String(fields[6]),
            domain: String(decoding: domain.map(ASCII.lowercase), as: UTF8.self),
            isHostOnly: !reachesBelow,
            path: String(fields[2]),
            expires: expires == 0 ? nil : expires,
            isSecure: isSecure,
            isHTTPOnly: isHTTPOnly,
            sameSite: nil
        )
    }
}
