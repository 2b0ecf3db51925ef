internal import LeatHTTP

extension FuzzTarget {
    /// The request parser. The first octet says whether the limits are tight; the second how the rest, which is what a
    /// client sends, is split.
    static let request = FuzzTarget(name: "request") { input in
        var input = input
        let options = input.takeFirst()
        let seed = input.takeFirst()
        let limits = options & 4 != 0 ? HTTPLimits.tight : HTTPLimits()
        let run = try ParserRun.checkingSplits(input, .request, limits: limits, seed: seed)
        for case .request(let head) in run.events { try checkRoundTrip(head) }
    }

    /// What was received can be sent, and is then received as the same.
    private static func checkRoundTrip(_ head: HTTPRequestHead) throws {
        let request = head.request
        // Without a Host the encoder would add one; an empty one it refuses.
        guard let host = request.headerFields[.host], !host.isEmpty else { return }
        guard let target = request.path else { throw FuzzFailure(description: "a request without a target") }
        try require(request.authority?.isEmpty == false, "a host, and no authority: \(head)")
        var bytes: [UInt8] = []
        do throws(HTTPEncodingError) {
            try HTTPEncoder.appendRequestHead(
                method: request.method,
                target: target,
                authority: request.authority,
                headerFields: request.headerFields,
                framing: head.framing,
                to: &bytes
            )
        } catch {
            throw FuzzFailure(description: "cannot be sent: \(head): \(error)")
        }
        let again = try ParserRun(bytes, .request, limits: .wide, in: .whole(bytes.count))
        guard case .request(let received)? = again.events.first else {
            throw FuzzFailure(description: "cannot be received: \(String(decoding: bytes, as: UTF8.self))")
        }
        try require(received.request, equals: request, "request")
        try require(received.framing, equals: head.framing, "framing")
    }
}
