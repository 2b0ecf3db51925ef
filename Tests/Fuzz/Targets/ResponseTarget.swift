internal import LeatHTTP

extension FuzzTarget {
    /// The response parser. The first octet says which method is answered, and whether the limits are tight; the second
    /// how the rest, which is what a server sends, is split.
    static let response = FuzzTarget(name: "response") { input in
        var input = input
        let options = input.takeFirst()
        let seed = input.takeFirst()
        let method: HTTPRequest.Method = [.get, .get, .head, .connect][Int(options & 3)]
        let limits = options & 4 != 0 ? HTTPLimits.tight : HTTPLimits()
        let run = try ParserRun.checkingSplits(input, .response, limits: limits, answering: method, seed: seed)
        for case .response(let head, let reason) in run.events where method == .get {
            try checkRoundTrip(head, reason)
        }
    }

    /// What was received can be sent, and is then received as the same.
    private static func checkRoundTrip(_ head: HTTPResponseHead, _ reason: String) throws {
        // The encoder refuses what means nothing: a length where there is no body, or two hosts in a response.
        guard head.framing != .none, head.framing != .tunnel, !head.response.headerFields.contains(.host) else {
            return
        }
        var bytes: [UInt8] = []
        do throws(HTTPEncodingError) {
            try HTTPEncoder.appendResponseHead(head.response, framing: head.framing, to: &bytes)
        } catch {
            throw FuzzFailure(description: "cannot be sent: \(head): \(error)")
        }
        let again = try ParserRun(bytes, .response, limits: .wide, in: .whole(bytes.count))
        guard case .response(let received, let receivedReason)? = again.events.first else {
            throw FuzzFailure(description: "cannot be received: \(String(decoding: bytes, as: UTF8.self))")
        }
        try require(received.response.status, equals: head.response.status, "status")
        try require(Array(receivedReason.utf8), equals: Array(reason.utf8), "reason phrase")
        try require(received.framing, equals: head.framing, "framing")
        // The encoder adds what announces the body unless it is there already: then nothing is added.
        try require(received.response.headerFields, equals: head.response.headerFields, "fields")
    }
}
