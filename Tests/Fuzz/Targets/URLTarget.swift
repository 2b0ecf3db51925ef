internal import LeatHTTP

extension FuzzTarget {
    /// `HTTPURL`. The first line is a URL; the second, if there is one, a reference found there.
    static let url = FuzzTarget(name: "url") { input in
        let lines = input.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
        guard let url = try parse(String(decoding: lines[0], as: UTF8.self)) else { return }
        try checkRequest(url)
        if lines.count == 2 { try checkResolving(String(decoding: lines[1], as: UTF8.self), at: url) }
    }

    private static func parse(_ text: String) throws -> HTTPURL? {
        let url: HTTPURL
        do throws(HTTPURL.ParseError) {
            url = try HTTPURL(parsing: text)
        } catch {
            try require((0...text.utf8.count).contains(error.offset), "\(error)")
            try require(HTTPURL(text) == nil, "invalid, and valid: \(text)")
            return nil
        }
        try check(url)
        try require(HTTPURL(text), equals: url, "parsed twice")
        return url
    }

    private static func check(_ url: HTTPURL) throws {
        let forbidden = Array("/?#@\\ %ABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
        try require(!url.host.isEmpty && url.port != 0, "no host or port: \(url)")
        try require(url.host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !forbidden.contains($0) }, "host \(url.host)")
        try require(url.path.utf8.first, equals: UInt8(ascii: "/"), "path \(url.path)")
        try require(url.path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x23 }, "path \(url.path)")
        // What is printed is the same URL, and is printed as the same.
        guard let again = HTTPURL(url.description) else { throw FuzzFailure(description: "printed as \(url)") }
        try require(again, equals: url, "parsed again")
        try require(again.hashValue, equals: url.hashValue, "hash")
        try require([again.host, again.path, again.scheme], equals: [url.host, url.path, url.scheme], "parts")
        try require(again.port, equals: url.port, "port")
        try require(again.description, equals: url.description, "printed again")
    }

    /// A URL can be requested as it stands, and a server understands it so.
    private static func checkRequest(_ url: HTTPURL) throws {
        var bytes: [UInt8] = []
        do throws(HTTPEncodingError) {
            try HTTPEncoder.appendRequestHead(
                method: .get,
                target: url.path,
                authority: url.authority,
                headerFields: [:],
                framing: .none,
                to: &bytes
            )
        } catch {
            throw FuzzFailure(description: "\(url) cannot be sent: \(error)")
        }
        let run = try ParserRun(bytes, .request, limits: .wide, in: .whole(bytes.count))
        guard case .request(let head)? = run.events.first else {
            throw FuzzFailure(description: "\(url) cannot be received: \(run.events)")
        }
        try require(head.request.path, equals: url.path, "target")
        try require(head.request.authority, equals: url.authority, "authority")
    }

    private static func checkResolving(_ reference: String, at base: HTTPURL) throws {
        let url: HTTPURL
        do throws(HTTPURL.ParseError) {
            url = try base.resolving(reference)
        } catch {
            return
        }
        try check(url)
        if !namesOrigin(reference) {
            try require(
                [url.scheme, url.authority],
                equals: [base.scheme, base.authority],
                "\(reference) left the host"
            )
        }
        // A fragment is no part of it. What is absolute and normal stays what it is, wherever it is found.
        try require(try base.resolving(reference + "#x"), equals: url, "with a fragment")
        let normal = try url.resolving(url.description)
        try require(!hasDotSegments(normal.path), "dot segments in \(normal)")
        try require(try base.resolving(normal.description), equals: normal, "resolved again")
        try require(try normal.resolving(""), equals: normal, "the empty reference")
        // A path that begins with two slashes would be taken for a host.
        if normal.path.utf8.starts(with: [0x2F, 0x2F]) { return }
        try require(try base.resolving(normal.path).path, equals: normal.path, "by its path")
    }

    /// Whether a reference may lead to another host: it has a scheme, or begins with two slashes (RFC 3986 §4.2).
    private static func namesOrigin(_ reference: String) -> Bool {
        let bytes = Array(reference.utf8)
        if bytes.starts(with: [0x2F, 0x2F]) { return true }
        let first = bytes.first { $0 == 0x3A || $0 == 0x2F || $0 == 0x3F || $0 == 0x23 }
        return first == 0x3A
    }

    private static func hasDotSegments(_ path: String) -> Bool {
        path.utf8.prefix { $0 != 0x3F }.split(separator: 0x2F).contains {
            $0.elementsEqual([0x2E]) || $0.elementsEqual([0x2E, 0x2E])
        }
    }
}
