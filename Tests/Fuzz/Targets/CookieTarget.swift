internal import Glibc
internal import LeatHTTP

extension FuzzTarget {
    /// Cookies: a jar and what happens to it, a step to a line. `@` and a URL: it is visited; `=` and a `Set-Cookie` of
    /// its response; `<` and a line of a `cookies.txt`; `+`: an hour passes.
    static let cookies = FuzzTarget(name: "cookies") { input in
        let clock = Clock()
        let jar = CookieJar(now: { clock.now })
        var url: HTTPURL = "https://www.example.com/a/b"
        for line in input.split(separator: 0x0A) {
            let text = String(decoding: line.dropFirst(), as: UTF8.self)
            switch line.first {
            case UInt8(ascii: "@"):
                try checkHeader(jar, for: url)
                url = HTTPURL(text) ?? url
            case UInt8(ascii: "="):
                jar.store([.setCookie: text], from: url)
                let alone = CookieJar(now: { clock.now })
                alone.store([.setCookie: text], from: url)
                for cookie in alone.cookies { try checkSet(cookie, by: url) }
            case UInt8(ascii: "<"):
                do { try jar.load(text) } catch {}
            case UInt8(ascii: "+"):
                try check(jar, clock.now)
                clock.now += 3_600
            default:
                continue
            }
        }
        try check(jar, clock.now)
        try checkHeader(jar, for: url)
        try checkHeader(jar, for: "http://example.com/a")
        try checkHeader(jar, for: "https://a.b.example.com/a/b/c?/")
        try checkText(jar, clock.now)
    }

    /// What a response may set: for its own host or a domain above it, and not for all of `com`.
    private static func checkSet(_ cookie: Cookie, by url: HTTPURL) throws {
        try require(isHost(url.host, in: cookie.domain), "\(url) set \(cookie)")
        if cookie.isSecure { try require(url.isSecure, "\(url) set \(cookie)") }
        if !cookie.isHostOnly, cookie.domain != url.host {
            let labels = cookie.domain.utf8.split(separator: 0x2E)
            try require(labels.count >= 2, "\(url) set \(cookie) for a domain of one label")
        }
        if cookie.name.utf8.starts(with: "__Secure-".utf8) { try require(cookie.isSecure, "\(cookie)") }
        if cookie.name.utf8.starts(with: "__Host-".utf8) {
            try require(cookie.isSecure && cookie.isHostOnly && cookie.path == "/", "\(cookie)")
        }
    }

    private static func check(_ jar: CookieJar, _ now: Int) throws {
        let cookies = jar.cookies
        try require(cookies.count <= 3_000, "\(cookies.count) cookies")
        try require(
            Dictionary(grouping: cookies, by: \.domain).values.allSatisfy { $0.count <= 50 },
            "cookies of a domain"
        )
        for cookie in cookies {
            try require(cookie.expires ?? .max > now, "expired: \(cookie)")
            try require(!cookie.name.isEmpty && !cookie.domain.isEmpty, "\(cookie)")
            try require(cookie.path.utf8.first, equals: 0x2F, "the path of \(cookie)")
            // What would be taken for the end of the pair, of the name, or of the line in a file.
            try require(!cookie.name.utf8.contains(where: { $0 < 0x20 || $0 == 0x3B || $0 == 0x3D }), "\(cookie)")
            try require(!cookie.value.utf8.contains(where: { $0 < 0x20 || $0 == 0x3B }), "\(cookie)")
        }
    }

    /// The cookies of a request are those of the jar that are for it, and no others, found by other means.
    private static func checkHeader(_ jar: CookieJar, for url: HTTPURL) throws {
        let path = url.path.utf8.prefix { $0 != 0x3F }
        var matching = jar.cookies.filter { cookie in
            let own = cookie.path.utf8
            return (cookie.isHostOnly ? url.host == cookie.domain : isHost(url.host, in: cookie.domain))
                && (!cookie.isSecure || url.isSecure)
                && path.starts(with: own)
                && (path.count == own.count || own.last == 0x2F || path.dropFirst(own.count).first == 0x2F)
        }
        // This sort keeps the order of equals, which is the age.
        matching = Dictionary(grouping: matching, by: \.path.utf8.count).sorted { $0.key > $1.key }.flatMap(\.value)
        let expected = matching.map { "\($0.name)=\($0.value)" }.joined(separator: "; ")
        let header = jar.header(for: url)
        try require(Array((header ?? "").utf8), equals: Array(expected.utf8), "for \(url)")
        if let header { try require(HTTPField.isValidValue(header), "cannot be sent: \(header)") }
    }

    /// A jar, written and read, is the same jar; only `SameSite` is not written.
    private static func checkText(_ jar: CookieJar, _ now: Int) throws {
        let copy = CookieJar(now: { now })
        do throws(HTTPError) {
            try copy.load(jar.text)
        } catch {
            throw FuzzFailure(description: "\(error) in \(jar.text)")
        }
        // Some editors end lines in another way.
        let edited = CookieJar(now: { now })
        try edited.load(jar.text.split(separator: "\n").joined(separator: "\r\n"))
        try require(edited.text, equals: jar.text, "with other line ends")
        try require(copy.text, equals: jar.text, "written, read and written")
        try require(copy.cookies.map(\.withoutSameSite), equals: jar.cookies.map(\.withoutSameSite), "written and read")
    }

    /// RFC 6265 §5.1.3.
    private static func isHost(_ host: String, in domain: String) -> Bool {
        if host.utf8.elementsEqual(domain.utf8) { return true }
        var address = in6_addr()
        if inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1 { return false }
        return host.utf8.count > domain.utf8.count && host.utf8.reversed().starts(with: ("." + domain).utf8.reversed())
    }
}

/// A clock that is set by hand, in one task.
private final class Clock: @unchecked Sendable {
    var now = 1_000_000_000
}

extension Cookie {
    /// Everything that the text of a jar keeps.
    fileprivate var withoutSameSite: [String] {
        [name, value, domain, path, "\(isHostOnly) \(isSecure) \(isHTTPOnly) \(expires ?? 0)"]
    }
}
