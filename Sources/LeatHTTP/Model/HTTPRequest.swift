/// The head of a request: everything but its body (RFC 9110 §3.4).
///
/// It is as cheap to copy as two references, and changing a copy changes no other.
public struct HTTPRequest: Sendable {
    /// What the request line says. Shared by the copies of a request until one of them is changed.
    package var line: HTTPRequestLine

    /// The header fields.
    public var headerFields: HTTPFields

    /// Makes a request head. Nothing is checked before it is sent.
    public init(
        method: Method,
        scheme: String?,
        authority: String?,
        path: String?,
        headerFields: HTTPFields = [:]
    ) {
        line = HTTPRequestLine(method: method, scheme: scheme, authority: authority, path: path)
        self.headerFields = headerFields
    }

    package init(_ line: HTTPRequestLine, _ headerFields: HTTPFields) {
        self.line = line
        self.headerFields = headerFields
    }

    /// The method.
    public var method: Method {
        get { line.method }
        set { ownLine().method = newValue }
    }

    /// `http` or `https`. A server finds nil here unless the target named a scheme.
    public var scheme: String? {
        get { line.scheme }
        set { ownLine().scheme = newValue }
    }

    /// `host` or `host:port`: for a client, where the request goes and what `Host` says; for a server, what the client
    /// asked for.
    public var authority: String? {
        get { line.authority }
        set { ownLine().authority = newValue }
    }

    /// The request target as it stands in the request line, usually path and query, still percent-encoded.
    ///
    /// A server finds the target exactly as it was received: also `*` (for `OPTIONS`), `host:port` (for `CONNECT`) or a
    /// whole URL, which HTTP/1.1 servers must accept (RFC 9112 §3.2.2) and whose authority then takes precedence. What to
    /// find a resource by is ``uri``, which takes the target apart and decodes it.
    public var path: String? {
        get { line.path }
        set { ownLine().path = newValue }
    }

    /// The line, for writing: a copy of its own if another request has it as well.
    private mutating func ownLine() -> HTTPRequestLine {
        if !isKnownUniquelyReferenced(&line) { line = line.copy() }
        return line
    }
}

extension HTTPRequest: Hashable {
    public static func == (left: Self, right: Self) -> Bool {
        left.line == right.line && left.headerFields == right.headerFields
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(line)
        hasher.combine(headerFields)
    }
}

extension HTTPRequest {
    /// A request method: a case-sensitive token (RFC 9110 §9.1).
    public struct Method: Hashable, Sendable, RawRepresentable, LosslessStringConvertible {
        /// The method as it stands in the request line, for example `GET`.
        public let rawValue: String

        /// Makes a method, or nil if `rawValue` is not a token.
        public init?(_ rawValue: String) {
            let isToken = rawValue.withBytes { bytes in
                guard let start = bytes.baseAddress else { return false }
                return ASCII.isToken(start, bytes.count)
            }
            guard isToken else { return nil }
            self.rawValue = rawValue
        }

        /// Makes a method, or nil if `rawValue` is not a token.
        public init?(rawValue: String) {
            self.init(rawValue)
        }

        /// Makes a method from text known to be a token.
        package init(unchecked rawValue: String) {
            self.rawValue = rawValue
        }

        /// The method as it stands in the request line.
        public var description: String { rawValue }
    }
}

// Computed, not stored: strings this short live in two registers, so comparing methods is comparing words.
extension HTTPRequest.Method {
    /// `GET`: a representation of the target (RFC 9110 §9.3.1).
    public static var get: Self { Self(unchecked: "GET") }

    /// `HEAD`: like `GET`, without the body (RFC 9110 §9.3.2).
    public static var head: Self { Self(unchecked: "HEAD") }

    /// `POST`: the target processes the body (RFC 9110 §9.3.3).
    public static var post: Self { Self(unchecked: "POST") }

    /// `PUT`: the body replaces the target (RFC 9110 §9.3.4).
    public static var put: Self { Self(unchecked: "PUT") }

    /// `PATCH`: the body changes parts of the target (RFC 5789).
    public static var patch: Self { Self(unchecked: "PATCH") }

    /// `DELETE`: the target is removed (RFC 9110 §9.3.5).
    public static var delete: Self { Self(unchecked: "DELETE") }

    /// `OPTIONS`: what the target allows (RFC 9110 §9.3.7).
    public static var options: Self { Self(unchecked: "OPTIONS") }

    /// `TRACE`: the target sends the request back (RFC 9110 §9.3.8).
    public static var trace: Self { Self(unchecked: "TRACE") }

    /// `CONNECT`: a tunnel to the target (RFC 9110 §9.3.6).
    public static var connect: Self { Self(unchecked: "CONNECT") }
}

extension HTTPRequest.Method {
    /// Whether the method only reads (RFC 9110 §9.2.1).
    package var isSafe: Bool {
        self == .get || self == .head || self == .options || self == .trace
    }

    /// Whether sending the request twice has the effect of sending it once (RFC 9110 §9.2.2): it may be retried.
    package var isIdempotent: Bool {
        isSafe || self == .put || self == .delete
    }
}
