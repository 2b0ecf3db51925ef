/// What a request line says, behind one reference.
///
/// It is written to only while it has one owner: by the parser that fills it, or by the one ``HTTPRequest`` that has it. So it is
/// safe to share between threads.
package final class HTTPRequestLine: @unchecked Sendable {
    @exclusivity(unchecked) package var method: HTTPRequest.Method
    @exclusivity(unchecked) package var scheme: String?
    @exclusivity(unchecked) package var authority: String?
    @exclusivity(unchecked) package var path: String?

    package init(method: HTTPRequest.Method, scheme: String?, authority: String?, path: String?) {
        self.method = method
        self.scheme = scheme
        self.authority = authority
        self.path = path
    }

    func copy() -> HTTPRequestLine {
        HTTPRequestLine(method: method, scheme: scheme, authority: authority, path: path)
    }
}

extension HTTPRequestLine: Hashable {
    package static func == (left: HTTPRequestLine, right: HTTPRequestLine) -> Bool {
        left === right
            || left.method == right.method && left.scheme == right.scheme && left.authority == right.authority
                && left.path == right.path
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(method)
        hasher.combine(scheme)
        hasher.combine(authority)
        hasher.combine(path)
    }
}

extension HTTPRequestLine {
    /// Whether each `%` of the target stands before two hexadecimal digits.
    var hasWellFormedTarget: Bool { path?.withBytes { HTTPURI.isWellFormed(target: $0) } ?? true }
}
