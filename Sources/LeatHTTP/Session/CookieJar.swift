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
    private struct Key: Hashable {
        let name: String
        let domain: String
        let path: String
    }

    private struct Entry {
        var cookie: Cookie
        /// In which order cookies came; one that is set again keeps its place.
        let number: Int
    }

    private static let maximumPerDomain = 50
    private static let maximum = 3_000

    private var entries: [Key: Entry] = [:]
    private var nextNumber = 0
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
        return entries.values.filter { !$0.cookie.isExpired(at: now) }.sorted { $0.number < $1.number }.map(\.cookie)
    }

    /// Forgets all cookies.
    public func removeAll() { entries.removeAll() }

    /// Stores what the `Set-Cookie` fields of a response from `url` say. Those that may not be set are ignored.
    public func store(_ fields: HTTPFields, from url: HTTPURL) {
        for text in fields[values: .setCookie] {
            if let cookie = Cookie(setCookie: text, from: url, now: now()) { insert(cookie) }
        }
    }

    /// The value of `Cookie` for a request; nil if there are none. Longer paths first, then older cookies (§5.4).
    public func header(for url: HTTPURL) -> String? {
        if entries.isEmpty { return nil }
        let now = now()
        let matching = entries.values.filter { $0.cookie.matches(url) && !$0.cookie.isExpired(at: now) }
        if matching.isEmpty { return nil }
        return matching.sorted {
            let (left, right) = ($0.cookie.path.utf8.count, $1.cookie.path.utf8.count)
            return left != right ? left > right : $0.number < $1.number
        }.map { "\($0.cookie.name)=\($0.cookie.value)" }.joined(separator: "; ")
    }

    private func insert(_ cookie: Cookie) {
        let key = Key(name: cookie.name, domain: cookie.domain, path: cookie.path)
        let old = entries.removeValue(forKey: key)
        // A server takes a cookie back by setting one that has expired.
        if cookie.isExpired(at: now()) { return }
        makeRoom(for: cookie.domain)
        entries[key] = Entry(cookie: cookie, number: old?.number ?? nextNumber)
        nextNumber += 1
    }

    private func makeRoom(for domain: String) {
        let ofDomain = entries.values.lazy.filter { $0.cookie.domain == domain }.count
        guard ofDomain >= Self.maximumPerDomain || entries.count >= Self.maximum else { return }
        let now = now()
        entries = entries.filter { !$0.value.cookie.isExpired(at: now) }
        if entries.values.lazy.filter({ $0.cookie.domain == domain }).count >= Self.maximumPerDomain {
            removeOldest { $0.domain == domain }
        }
        if entries.count >= Self.maximum { removeOldest { _ in true } }
    }

    private func removeOldest(where matches: (Cookie) -> Bool) {
        let oldest = entries.filter { matches($0.value.cookie) }.min { $0.value.number < $1.value.number }
        if let oldest { entries[oldest.key] = nil }
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

    /// Adds the cookies of a text in that format. Throws ``HTTPError`` of kind `.malformed`, naming the line.
    public func load(_ text: String) throws(HTTPError) {
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let isHTTPOnly = line.hasPrefix("#HttpOnly_")
            if line.isEmpty || line.hasPrefix("#") && !isHTTPOnly { continue }
            guard let cookie = Self.cookie(isHTTPOnly ? line.dropFirst(10) : line, isHTTPOnly) else {
                throw HTTPError(.malformed, "line \(index + 1) of the cookies is not one")
            }
            insert(cookie)
        }
    }

    private static func cookie(_ line: Substring, _ isHTTPOnly: Bool) -> Cookie? {
        let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
        func flag(_ text: Substring) -> Bool? { text == "TRUE" ? true : text == "FALSE" ? false : nil }
        guard fields.count == 7, HTTPField.isValidValue(String(line.split(separator: "\t").joined(separator: " "))),
            let reachesBelow = flag(fields[1]), fields[2].hasPrefix("/"), let isSecure = flag(fields[3]),
            let expires = Int(fields[4]), expires >= 0, !fields[5].isEmpty, !fields[0].isEmpty,
            !fields[5].contains(where: { $0 == ";" || $0 == "=" }), !fields[6].utf8.contains(ASCII.semicolon)
        else { return nil }
        let domain = fields[0].hasPrefix(".") ? fields[0].dropFirst() : fields[0]
        return Cookie(
            name: String(fields[5]),
            value: String(fields[6]),
            domain: String(decoding: domain.utf8.map(ASCII.lowercase), as: UTF8.self),
            isHostOnly: !reachesBelow,
            path: String(fields[2]),
            expires: expires == 0 ? nil : expires,
            isSecure: isSecure,
            isHTTPOnly: isHTTPOnly,
            sameSite: nil
        )
    }
}
