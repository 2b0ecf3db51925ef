/// The target of a request, taken apart: what a server finds a resource by.
///
/// ```swift
/// // GET /caf%C3%A9?table=4&table=5&vegan HTTP/1.1
/// request.uri.path                  // "/café"
/// request.uri[queryItem: "table"]   // "4"
/// request.uri.queryItems            // [("table", "4"), ("table", "5"), ("vegan", "")]
/// ```
///
/// Making one reads the target once and allocates nothing; each property does its work when it is asked for.
public struct HTTPURI: Hashable, Sendable {
    private let target: String
    /// Where the path stands in the target, in octets. Behind it is the end, or a question mark and the query.
    private let pathStart: Int
    private let pathEnd: Int
    /// What stands for a path that is not in the target.
    private let isRoot: Bool

    package init(target: String, method: HTTPRequest.Method) {
        self.target = target
        let isTunnel = method == .connect
        (pathStart, pathEnd) = target.withBytes { isTunnel ? ($0.count, $0.count) : Self.path(in: $0) }
        isRoot = pathStart == pathEnd && !isTunnel
    }

    private static func path(in target: UnsafeRawBufferPointer) -> (start: Int, end: Int) {
        var start = 0
        if target.first != ASCII.slash, let base = target.baseAddress {
            start = HTTPParser.authorityOfAbsoluteForm(base, target.count)?.upperBound ?? 0
        }
        let path = target[start...]
        return (start, path.firstIndex(of: UInt8(ascii: "?")) ?? path.endIndex)
    }

    /// The path, percent-decoded, as UTF-8 whose ill-formed sequences are replaced with U+FFFD. O(n).
    ///
    /// What is decoded can look like something else: `%2F` becomes a slash. Where that matters, take ``rawPath`` apart first. Dot
    /// segments are not removed: a path that names a file has to be checked for `..`.
    ///
    /// Of a target that is a whole URL it is that URL's path. A URL without one has `/`. `OPTIONS *` has `*`, and `CONNECT`, whose
    /// target is a host and a port, has an empty path.
    public var path: String {
        isRoot ? "/" : withBytes(pathStart..<pathEnd) { PercentEncoding.decode($0) }
    }

    /// The path as it was received, percent-encoded; see ``path``. O(n).
    public var rawPath: String {
        if isRoot { return "/" }
        let isWhole = pathStart == 0 && pathEnd == target.utf8.count
        return isWhole ? target : withBytes(pathStart..<pathEnd) { String(decoding: $0, as: UTF8.self) }
    }

    /// What follows the first question mark, as it was received; nil if there is none. O(n).
    public var query: String? {
        queryRange.map { withBytes($0) { String(decoding: $0, as: UTF8.self) } }
    }

    /// The names and values of the query in their order, decoded as those of a form (`application/x-www-form-urlencoded`): `+`
    /// and `%20` are spaces, and ill-formed UTF-8 is replaced with U+FFFD. An item without `=` has an empty value, and between
    /// two `&` without anything there is no item. O(n).
    public var queryItems: [(name: String, value: String)] {
        var items: [(name: String, value: String)] = []
        forEachQueryItem { name, value in
            items.append((Self.decode(name), Self.decode(value)))
            return true
        }
        return items
    }

    /// The value of the first item of the query with this name, decoded; nil if there is none. See ``queryItems``. O(n).
    public subscript(queryItem name: String) -> String? {
        var found: String?
        forEachQueryItem { candidate, value in
            guard Self.decode(candidate) == name else { return true }
            found = Self.decode(value)
            return false
        }
        return found
    }

    /// Whether each `%` of a target is followed by two hexadecimal digits (RFC 3986 §2.1).
    package static func isWellFormed(target bytes: UnsafeRawBufferPointer) -> Bool {
        PercentEncoding.isWellFormed(bytes)
    }

    // MARK: The octets

    private var queryRange: Range<Int>? {
        let end = target.utf8.count
        return pathEnd < end ? pathEnd + 1..<end : nil
    }

    private func withBytes<R>(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        target.withBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    /// Calls `body` with the name and the value of each item until it returns false.
    private func forEachQueryItem(_ body: (_ name: RawSlice, _ value: RawSlice) -> Bool) {
        guard let queryRange else { return }
        withBytes(queryRange) { query in
            for item in query.split(separator: UInt8(ascii: "&")) {
                let end = item.firstIndex(of: ASCII.equals) ?? item.endIndex
                guard body(item[..<end], item[end...].dropFirst()) else { return }
            }
        }
    }

    private typealias RawSlice = Slice<UnsafeRawBufferPointer>

    private static func decode(_ text: RawSlice) -> String {
        PercentEncoding.decode(UnsafeRawBufferPointer(rebasing: text), plusAsSpace: true)
    }
}

extension HTTPURI: CustomStringConvertible {
    /// The target as it was received.
    public var description: String { target }
}

extension HTTPRequest {
    /// The target, ``path``, taken apart and decoded: its path and its query.
    public var uri: HTTPURI { HTTPURI(target: path ?? "", method: method) }
}
