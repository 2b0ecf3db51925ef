/// An HTTP proxy, reached without TLS.
///
/// ```swift
/// let proxy = try HTTPProxy(parsing: "http://ada:secret@proxy.example:3128")
/// ```
///
/// `http` URLs are requested from it in absolute form (RFC 9112 §3.2.2); for `https` it is asked for a tunnel (`CONNECT`,
/// RFC 9110 §9.3.6), in which TLS is spoken with the origin itself: the proxy sees its name and port, and nothing else.
public struct HTTPProxy: Sendable, Hashable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// A name or an address in lower case; an IPv6 address without brackets.
    public let host: String
    public let port: UInt16
    /// What `Proxy-Authorization` says to the proxy (RFC 9110 §11.7.2), and to nobody else; nil for nothing. From the URL's
    /// user name and password it is `Basic`.
    public var authorization: String?

    /// Parses a proxy's URL. `http://` may be left out; the port is 80 if it is absent or empty. User name and password before the
    /// host are percent-decoded.
    ///
    /// Throws ``HTTPError`` of kind `.proxy`, whose message never contains the user name or the password. `https` and SOCKS
    /// proxies are not supported.
    public init(parsing text: String) throws(HTTPError) {
        var rest = Array(text.utf8)[...]
        if let scheme = Self.scheme(of: rest) {
            guard scheme == "http" else { throw Self.invalid("\(scheme) proxies are not supported, only http") }
            rest = rest.dropFirst(7)
        }
        let path = rest.firstIndex { $0 == ASCII.slash || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }
        if let path {
            guard rest[path...].elementsEqual([ASCII.slash]) else { throw Self.invalid("something follows the host") }
            rest = rest[..<path]
        }
        if let at = rest.lastIndex(of: UInt8(ascii: "@")) {
            authorization = try Self.basic(rest[..<at])
            rest = rest[(at + 1)...]
        }
        let authority = Array(rest)
        let parts = authority.withUnsafeBytes { bytes in
            bytes.baseAddress.flatMap { try? Authority(parsing: $0, bytes.count) }
        }
        guard let parts, !authority.contains(UInt8(ascii: "%")) else {
            throw Self.invalid("there is no valid host and port in it")
        }
        host = String(decoding: authority[parts.host].map(ASCII.lowercase), as: UTF8.self)
        port = parts.port ?? 80
    }

    /// Makes a proxy from a literal, which must be valid: this traps otherwise.
    public init(stringLiteral value: String) {
        do throws(HTTPError) {
            try self.init(parsing: value)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// Host and port. The credentials are not printed.
    public var description: String { Authority.text(host: host, port: port) }

    private static func invalid(_ reason: String) -> HTTPError { HTTPError(.proxy, "invalid proxy URL: \(reason)") }

    /// What stands before `://`, in lower case.
    private static func scheme(of text: ArraySlice<UInt8>) -> String? {
        guard let colon = text.firstIndex(of: ASCII.colon), text[colon...].starts(with: "://".utf8) else { return nil }
        return String(decoding: text[..<colon].map(ASCII.lowercase), as: UTF8.self)
    }

    private static func basic(_ userInformation: ArraySlice<UInt8>) throws(HTTPError) -> String? {
        let parts = userInformation.split(separator: ASCII.colon, maxSplits: 1, omittingEmptySubsequences: false)
        guard let user = PercentEncoding.decode(parts[0]),
            let password = PercentEncoding.decode(parts.count == 2 ? parts[1] : [])
        else { throw invalid("a '%' in the user name or the password is not followed by two hexadecimal digits") }
        var fields = HTTPFields()
        do throws(HTTPError) {
            try fields.setBasicAuthorization(user: user, password: password)
        } catch {
            throw invalid(error.message)
        }
        return fields[.authorization]
    }
}

extension Authority {
    /// `host:port`, an IPv6 address in brackets: the target of `CONNECT`.
    static func text(host: String, port: UInt16) -> String {
        host.utf8.contains(ASCII.colon) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
