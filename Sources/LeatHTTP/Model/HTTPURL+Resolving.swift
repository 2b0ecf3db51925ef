extension HTTPURL {
    /// The URL that `reference` means when it is found at this one (RFC 3986 §5.2): absolute, or relative to the host, the
    /// path or the query. Dot segments are removed and a fragment is dropped.
    ///
    /// - Throws: ``ParseError`` if the result is not an `http` or `https` URL.
    public func resolving(_ reference: String) throws(ParseError) -> HTTPURL {
        let reference = String(reference.prefix { $0 != "#" })
        if Self.hasScheme(reference) { return try HTTPURL(parsing: Self.withoutDotSegments(url: reference)) }
        if reference.hasPrefix("//") {
            return try HTTPURL(parsing: Self.withoutDotSegments(url: "\(scheme):\(reference)"))
        }
        let origin = "\(scheme)://\(authority)"
        if reference.isEmpty { return try HTTPURL(parsing: origin + path) }
        let (basePath, _) = Self.split(path)
        if reference.hasPrefix("?") { return try HTTPURL(parsing: origin + basePath + reference) }
        let (relative, query) = Self.split(reference)
        // What follows the last slash of the base is replaced.
        let directory = basePath[...(basePath.lastIndex(of: "/") ?? basePath.startIndex)]
        let merged = relative.hasPrefix("/") ? String(relative) : String(directory + relative)
        return try HTTPURL(parsing: origin + Self.removingDotSegments(merged) + query)
    }

    /// `scheme ":"`, where a scheme is a letter and then letters, digits, `+`, `-` and `.`.
    private static func hasScheme(_ text: String) -> Bool {
        guard let colon = text.utf8.firstIndex(of: ASCII.colon), let first = text.utf8.first else { return false }
        return ASCII.isLetter(first)
            && text.utf8[..<colon].allSatisfy {
                ASCII.isLetter($0) || ASCII.isDigit($0) || $0 == 0x2B || $0 == 0x2D || $0 == 0x2E
            }
    }

    /// A path, and its query with the question mark.
    private static func split(_ text: String) -> (path: Substring, query: Substring) {
        let mark = text.firstIndex(of: "?") ?? text.endIndex
        return (text[..<mark], text[mark...])
    }

    private static func withoutDotSegments(url: String) -> String {
        let (head, query) = split(url)
        // The path begins after the authority, which begins after the scheme's two slashes.
        guard let colon = head.utf8.firstIndex(of: ASCII.colon),
            let start = head[colon...].dropFirst(3).utf8.firstIndex(of: ASCII.slash)
        else { return url }
        return head[..<start] + removingDotSegments(String(head[start...])) + query
    }

    /// RFC 3986 §5.2.4, for a path that begins with a slash.
    private static func removingDotSegments(_ path: String) -> String {
        var kept: [Substring] = []
        let segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        for segment in segments {
            if segment == ".." {
                _ = kept.popLast()
            } else if segment != "." {
                kept.append(segment)
            }
        }
        // A dot segment at the end stands for a directory.
        if let last = segments.last, last == "." || last == ".." { kept.append("") }
        return "/" + kept.joined(separator: "/")
    }
}
