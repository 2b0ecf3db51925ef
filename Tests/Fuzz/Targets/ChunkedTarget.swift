internal import LeatHTTP

extension FuzzTarget {
    /// The decoder of the chunked coding, against a plain one that has the whole input before it. The first octet says
    /// whether the limits are tight; the second how the rest, which follows the head, is split.
    static let chunked = FuzzTarget(name: "chunked") { input in
        var input = input
        let options = input.takeFirst()
        let seed = input.takeFirst()
        let message = head + input
        if options & 4 != 0 {
            // Limits are the parser's own; the head alone is larger than the tight ones.
            var limits = HTTPLimits.tight
            limits.maximumFieldLine = 64
            _ = try ParserRun.checkingSplits(message, .response, limits: limits, seed: seed)
            return
        }
        let run = try ParserRun.checkingSplits(message, .response, limits: .wide, seed: seed)
        switch PlainChunkedDecoder.decode(input) {
        case .complete(let body, let rest):
            guard let decoded = run.firstMessage else {
                // Trailers are fields, whose syntax the plain decoder does not look at.
                if case .failure(let error)? = run.events.last, error.place == .trailer { return }
                throw FuzzFailure(description: "the body is complete: \(run.events)")
            }
            try require(decoded.body, equals: body, "body")
            try checkRest(run, rest)
            try checkRoundTrip(decoded.body, decoded.trailers, seed: seed)
        case .incomplete(let body):
            guard case .failure(let error)? = run.events.last else {
                throw FuzzFailure(description: "the body is cut short: \(run.events)")
            }
            if error.place == .trailer { return }
            try require(error.kind, equals: .truncated, "a body that is cut short")
            try require(run.bodyBeforeFailure, equals: body, "the part of the body")
        case .malformed:
            guard case .failure(let error)? = run.events.last, run.firstMessage == nil else {
                throw FuzzFailure(description: "the body is malformed: \(run.events)")
            }
            try require(error.kind != .truncated, "the body is malformed, not cut short")
        }
    }

    private static let head = Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)

    /// What follows the body is the next message, whatever it may be.
    private static func checkRest(_ run: ParserRun, _ rest: [UInt8]) throws {
        let next = try ParserRun(rest, .response, limits: .wide, in: .whole(rest.count))
        guard let end = run.events.firstIndex(where: { if case .end = $0 { true } else { false } }) else { return }
        try require(Array(run.events[(end + 1)...]), equals: next.events, "after the body")
    }

    /// The body, sent in chunks of other sizes, is received as the same.
    private static func checkRoundTrip(
        _ body: [UInt8],
        _ trailers: HTTPFields,
        seed: UInt8
    ) throws {
        var bytes = head
        var sent = 0
        for length in Pieces(body.count, seed: ~seed).lengths {
            let end = min(sent + length, body.count)
            HTTPEncoder.appendChunkHeader(size: end - sent, to: &bytes)
            bytes += body[sent..<end]
            HTTPEncoder.appendChunkEnd(to: &bytes)
            sent = end
        }
        do throws(HTTPEncodingError) {
            try HTTPEncoder.appendLastChunk(trailers: trailers, to: &bytes)
        } catch {
            throw FuzzFailure(description: "cannot be sent: \(trailers): \(error)")
        }
        let again = try ParserRun(bytes, .response, limits: .wide, in: .whole(bytes.count))
        try require(again.firstMessage?.body ?? [], equals: body, "the body, sent again")
        try require(again.firstMessage?.trailers, equals: trailers, "the trailers, sent again")
    }
}

extension ParserRun {
    fileprivate var bodyBeforeFailure: [UInt8] {
        if events.count >= 2, case .body(let bytes) = events[events.count - 2] { bytes } else { [] }
    }
}

/// RFC 9112 §7.1, as one would write it with all bytes at hand: no state, no limits, no speed.
private enum PlainChunkedDecoder {
    enum Outcome {
        case complete(body: [UInt8], rest: [UInt8])
        case incomplete(body: [UInt8])
        case malformed
    }

    private enum Line {
        case content(ArraySlice<UInt8>)
        case incomplete, malformed
    }

    static func decode(_ input: [UInt8]) -> Outcome {
        var rest = input[...]
        var body: [UInt8] = []
        while true {
            switch takeLine(&rest) {
            case .incomplete: return .incomplete(body: body)
            case .malformed: return .malformed
            case .content(let line):
                guard let size = size(line) else { return .malformed }
                if size == 0 { return trailers(rest, body) }
                body += rest.prefix(size)
                guard rest.count > size else { return .incomplete(body: body) }
                rest = rest.dropFirst(size)
                // A wrong octet is wrong before the next one is there.
                if rest.first != 0x0D { return .malformed }
                guard let second = rest.dropFirst().first else { return .incomplete(body: body) }
                if second != 0x0A { return .malformed }
                rest = rest.dropFirst(2)
            }
        }
    }

    private static func trailers(_ input: ArraySlice<UInt8>, _ body: [UInt8]) -> Outcome {
        var rest = input
        while true {
            switch takeLine(&rest) {
            case .incomplete: return .incomplete(body: body)
            case .malformed: return .malformed
            case .content(let line): if line.isEmpty { return .complete(body: body, rest: Array(rest)) }
            }
        }
    }

    private static func takeLine(_ rest: inout ArraySlice<UInt8>) -> Line {
        guard let lineFeed = rest.firstIndex(of: 0x0A) else { return .incomplete }
        defer { rest = rest[(lineFeed + 1)...] }
        guard lineFeed > rest.startIndex, rest[lineFeed - 1] == 0x0D else { return .malformed }
        return .content(rest[..<(lineFeed - 1)])
    }

    /// The size, if the line is one to sixteen digits and perhaps extensions that begin with a token.
    private static func size(_ line: ArraySlice<UInt8>) -> Int? {
        let digits = line.prefix { $0 != 0x3B }
        guard (1...16).contains(digits.count), digits.allSatisfy(isHexadecimal),
            let size = Int(String(decoding: digits, as: UTF8.self), radix: 16)
        else { return nil }
        let extensions = line.dropFirst(digits.count)
        if extensions.isEmpty { return size }
        guard let first = extensions.dropFirst().first(where: { $0 != 0x20 && $0 != 0x09 }),
            HTTPField.Name(String(Character(Unicode.Scalar(first)))) != nil,
            extensions.allSatisfy({ $0 == 0x09 || $0 >= 0x20 && $0 != 0x7F })
        else { return nil }
        return size
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
        default: false
        }
    }
}
