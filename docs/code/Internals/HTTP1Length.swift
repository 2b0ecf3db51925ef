import Leat
import LeatHTTP

/// Where the body ends and whether the connection goes on, for one head after the other.
func http1Length() throws {
    try table(
        "responses to GET",
        .response,
        [
            "101 Switching Protocols|Connection: upgrade|Upgrade: x",
            "204 No Content|Content-Length: 5",
            "304 Not Modified|Content-Length: 5",
            "200 OK|Transfer-Encoding: chunked",
            "200 OK|Content-Length: 5",
            "200 OK|Content-Length: 5|Connection: close",
            "200 OK",
        ]
    )
    try table("responses to HEAD", .response, answering: .head, ["200 OK|Content-Length: 5", "200 OK"])
    try table(
        "responses to CONNECT",
        .response,
        answering: .connect,
        ["200 OK|Content-Length: 5", "407 No|Content-Length: 5"]
    )
    try table("requests", .request, ["GET", "POST|Transfer-Encoding: chunked", "GET|Content-Length: 5", "POST"])
}

private func table(
    _ title: String,
    _ role: HTTPParser.Role,
    answering method: HTTPRequest.Method = .get,
    _ heads: [String]
) throws {
    print(title)
    for head in heads {
        let lines = head.split(separator: "|").map(String.init)
        let start = role == .request ? "\(lines[0]) / HTTP/1.1\r\nHost: a" : "HTTP/1.1 \(lines[0])"
        var parser = HTTPParser(role: role)
        var position = 0
        parser.expectResponse(to: method)
        let bytes = Array(([start] + lines[1...] + ["", ""]).joined(separator: "\r\n").utf8)
        _ = try bytes.withUnsafeBytes { try parser.parse($0, consumed: &position) }
        let (framing, keepAlive) =
            role == .request
            ? { ($0.framing, $0.keepAlive) }(parser.takeRequestHead())
            : { ($0.framing, $0.keepAlive) }(parser.takeResponseHead())
        let shown = lines.joined(separator: ", ")
        let gap = String(repeating: " ", count: max(1, 60 - shown.utf8.count))
        print("  \(shown)\(gap)\(framing)\(keepAlive ? "" : ", then the connection ends")")
    }
}
