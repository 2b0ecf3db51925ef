/// Which redirects a client follows, and how the request changes on the way (RFC 9110 §15.4).
///
/// 301 and 302 turn a POST into a GET, as every client does, and leave other methods alone; 303 turns everything but HEAD
/// into a GET; 307 and 308 repeat the request as it is, which needs a body that is not a stream. On the way to another
/// origin (scheme, host or port) `Authorization`, `Cookie` and `Proxy-Authorization` are left out, and stay out when a
/// later redirect leads back. From `https` to `http` no redirect is followed unless that is allowed.
public struct RedirectPolicy: Sendable {
    /// The most redirects of one request. Default 10. With 0, redirects are returned like any other response.
    public var limit = 10
    /// Whether a redirect may lead from `https` to `http`. Default false.
    public var allowsDowngrade = false

    /// The default policy.
    public init() {}

    /// Follows none.
    public static let none = {
        var policy = RedirectPolicy()
        policy.limit = 0
        return policy
    }()

    /// These describe a body that is no longer sent.
    private static let content: [HTTPField.Name] = [
        .contentType, .contentLength, .contentEncoding, .contentLanguage, .contentLocation, .transferEncoding, .expect,
    ]

    /// Whether a response says where to go instead.
    @inline(__always)
    static func leads(_ status: HTTPResponse.Status, _ fields: HTTPFields) -> Bool {
        switch status.code {
        case 301, 302, 303, 307, 308: fields.contains(.location)
        default: false
        }
    }

    /// The request that follows `request` after a redirect with these fields. Throws ``HTTPError`` of kind `.redirect`.
    func next(
        after request: HTTPClientRequest,
        _ status: HTTPResponse.Status,
        _ fields: HTTPFields
    ) throws(HTTPError) -> HTTPClientRequest {
        guard fields.count(of: .location) == 1, let location = fields[.location] else {
            throw HTTPError(.redirect, "\(request.url) redirects to more than one place")
        }
        var next = request
        do throws(HTTPURL.ParseError) {
            next.url = try request.url.resolving(location)
        } catch {
            throw HTTPError(.redirect, "\(request.url) redirects to \(location.debugDescription): \(error)")
        }
        guard allowsDowngrade || next.url.isSecure || !request.url.isSecure else {
            throw HTTPError(.redirect, "\(request.url) redirects from https to \(next.url)")
        }
        try rewriteMethod(of: &next, status)
        if Origin(next.url) != Origin(request.url) {
            next.headerFields = next.headerFields.withoutCredentials
            next.headerFields.removeAll(.host)
        }
        return next
    }

    private func rewriteMethod(of request: inout HTTPClientRequest, _ status: HTTPResponse.Status) throws(HTTPError) {
        let becomesGet =
            switch status.code {
            case 301, 302: request.method == .post
            case 303: request.method != .head && request.method != .get
            default: false
            }
        if becomesGet {
            request.method = .get
            request.body = .none
            for name in Self.content { request.headerFields.removeAll(name) }
        } else if !request.body.isReplayable {
            throw HTTPError(.redirect, "\(request.url) wants the body once more, and it was a stream")
        }
    }
}

/// A redirect that was followed.
public struct HTTPRedirect: Sendable, Hashable {
    /// Where it was found.
    public let url: HTTPURL
    public let status: HTTPResponse.Status

    public init(url: HTTPURL, status: HTTPResponse.Status) {
        self.url = url
        self.status = status
    }
}

extension HTTPFields {
    /// The fields without those that say who is asking.
    var withoutCredentials: HTTPFields {
        var fields = self
        for name in [HTTPField.Name.authorization, .cookie, .proxyAuthorization] { fields.removeAll(name) }
        return fields
    }
}
