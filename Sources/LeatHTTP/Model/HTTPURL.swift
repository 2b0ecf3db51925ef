/// An absolute `http` or `https` URL (RFC 9110 §4.2), taken apart once so that requests need no work on text.
///
/// The parser is strict: ASCII only, no user information, no white space, no control characters. What is
/// percent-encoded stays as it is, and nothing is percent-encoded for the caller.
///
/// ```swift
/// let url: HTTPURL = "http://example.com:8080/search?q=leat"
/// url.authority  // "example.com:8080"
/// url.path       // "/search?q=leat"
/// ```
public struct HTTPURL: Sendable, LosslessStringConvertible, ExpressibleByStringLiteral {
    /// The parts, behind one reference: a request copies its URL several times, and this costs a count each, not four.
    private final class Parts: Sendable {
        let isSecure: Bool
        let host: String
        let port: UInt16
        let path: String
        let authority: String

        init(isSecure: Bool, host: String, port: UInt16, path: String, authority: String) {
            self.isSecure = isSecure
            self.host = host
            self.port = port
            self.path = path
            self.authority = authority
        }
    }

    private let parts: Parts

    /// `http` or `https`, in lower case.
    public var scheme: String { isSecure ? "https" : "http" }

    /// The host in lower case: a name or an address; an IPv6 address without brackets.
    public var host: String { parts.host }

    /// The port: as written; if it is absent or empty, 80 for `http` and 443 for `https`.
    public var port: UInt16 { parts.port }

    /// Path and query as written. Never empty: an absent path is `/`. A fragment is dropped.
    public var path: String { parts.path }

    /// What `Host` says: the host (an IPv6 address in brackets), and `:port` unless it is the scheme's own.
    public var authority: String { parts.authority }

    /// Whether the scheme is `https`.
    package var isSecure: Bool { parts.isSecure }

    /// Parses a URL.
    ///
    /// - Throws: ``ParseError``, which says what is wrong and at which octet.
    /// - Complexity: O(length of the text).
    public init(parsing text: String) throws(ParseError) {
        var text = text
        let result = text.withUTF8 { utf8 in
            Result<Self, ParseError> { () throws(ParseError) in try Self(UnsafeRawBufferPointer(utf8)) }
        }
        self = try result.get()
    }

    /// Parses a URL; nil if it is not valid.
    public init?(_ description: String) {
        do throws(ParseError) {
            try self.init(parsing: description)
        } catch {
            return nil
        }
    }

    /// Makes a URL from a literal, which must be valid: this traps otherwise.
    public init(stringLiteral value: String) {
        do throws(ParseError) {
            try self.init(parsing: value)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// The URL in normal form.
    public var description: String { "\(scheme)://\(authority)\(path)" }
}

extension HTTPURL {
    private init(_ parts: Parts) { self.parts = parts }

    /// The same origin with another path and query, which are known to be valid.
    func replacing(path: String) -> HTTPURL {
        HTTPURL(
            Parts(isSecure: isSecure, host: host, port: port, path: path, authority: authority)
        )
    }
}

extension HTTPURL: Hashable {
    public static func == (left: Self, right: Self) -> Bool {
        left.authority == right.authority && left.path == right.path && left.isSecure == right.isSecure
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(isSecure)
        hasher.combine(authority)
        hasher.combine(path)
    }
}

extension HTTPURL {
    private init(_ text: UnsafeRawBufferPointer) throws(ParseError) {
        guard let start = text.baseAddress else { throw ParseError(.empty, offset: 0) }
        let secure: Bool
        let authorityStart: Int
        if text.count >= 7, ASCII.equalsIgnoringCase(start, 7, "http://") {
            (secure, authorityStart) = (false, 7)
        } else if text.count >= 8, ASCII.equalsIgnoringCase(start, 8, "https://") {
            (secure, authorityStart) = (true, 8)
        } else {
            throw ParseError(.unsupportedScheme, offset: 0)
        }
        let authorityEnd = Self.firstIndex(in: text, from: authorityStart) {
            $0 == ASCII.slash || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#")
        }
        let parts: Authority
        do throws(Authority.SyntaxError) {
            parts = try Authority(parsing: start + authorityStart, authorityEnd - authorityStart)
        } catch {
            throw ParseError(error, offset: authorityStart + error.offset)
        }
        let name = UnsafeRawBufferPointer(rebasing: text[authorityStart..<authorityEnd][offset: parts.host])
        // A percent-encoded host is legal and useless: no resolver takes it, and two spellings of one host are a trap.
        if let percent = name.firstIndex(of: UInt8(ascii: "%")) {
            throw ParseError(.invalidHost(UInt8(ascii: "%")), offset: authorityStart + percent)
        }
        let host = String(decoding: name.lazy.map(ASCII.lowercase), as: UTF8.self)
        let ownPort: UInt16 = secure ? 443 : 80
        let port = parts.port ?? ownPort
        let bracketed = parts.isIPv6 ? "[\(host)]" : host
        self.parts = Parts(
            isSecure: secure,
            host: host,
            port: port,
            path: try Self.path(in: text, from: authorityEnd),
            authority: port == ownPort ? bracketed : "\(bracketed):\(port)"
        )
    }

    private static func path(in text: UnsafeRawBufferPointer, from start: Int) throws(ParseError) -> String {
        let end = firstIndex(in: text, from: start) { $0 == UInt8(ascii: "#") }
        // The fragment is not sent, but a URL with a line end in it is no URL.
        let invalid = firstIndex(in: text, from: start) { !ASCII.isTarget($0) && $0 != UInt8(ascii: "#") }
        if invalid < text.count { throw ParseError(.invalidPath(text[invalid]), offset: invalid) }
        if start == end { return "/" }
        let path = String(decoding: text[start..<end], as: UTF8.self)
        return text[start] == ASCII.slash ? path : "/" + path
    }

    @inline(__always)
    private static func firstIndex(
        in text: UnsafeRawBufferPointer,
        from start: Int,
        where predicate: (UInt8) -> Bool
    ) -> Int {
        var index = start
        while index < text.count, !predicate(text[index]) { index += 1 }
        return index
    }
}

extension Slice<UnsafeRawBufferPointer> {
    /// The part at a range of offsets from the start of this slice.
    fileprivate subscript(offset range: Range<Int>) -> Self {
        self[startIndex + range.lowerBound..<startIndex + range.upperBound]
    }
}

extension HTTPURL {
    /// Why a text is not a URL that this library requests.
    public struct ParseError: Error, Hashable, Sendable, CustomStringConvertible {
        enum Fault: Hashable {
            case empty
            case unsupportedScheme
            case userInformation
            case emptyHost
            case invalidHost(UInt8)
            case invalidIPv6Address
            case invalidPort
            case invalidPath(UInt8)
        }

        let fault: Fault

        /// Where in the text, in octets of UTF-8 from its start.
        public let offset: Int

        init(_ fault: Fault, offset: Int) {
            self.fault = fault
            self.offset = offset
        }

        init(_ error: Authority.SyntaxError, offset: Int) {
            let fault: Fault =
                switch error.fault {
                case .userInformation: .userInformation
                case .emptyHost: .emptyHost
                case .invalidHostByte(let byte): .invalidHost(byte)
                case .invalidIPv6Address: .invalidIPv6Address
                case .invalidPort: .invalidPort
                }
            self.init(fault, offset: offset)
        }

        /// What is wrong, and where.
        public var description: String {
            "invalid URL: \(reason) (at octet \(offset))"
        }

        private var reason: String {
            switch fault {
            case .empty: "it is empty"
            case .unsupportedScheme: "it does not start with http:// or https://"
            case .userInformation: "it has a user name or password before the host; send an Authorization field instead"
            case .emptyHost: "the host is empty"
            case .invalidHost(let byte): "the host contains \(ASCII.describe(byte))"
            case .invalidIPv6Address: "the IPv6 address in brackets is not valid"
            case .invalidPort: "the port is not a number from 1 to 65535"
            case .invalidPath(let byte): "\(ASCII.describe(byte)) must be percent-encoded"
            }
        }
    }
}
