internal import LeatHTTP

extension FuzzTarget {
    /// The scanner of requests, against the parser. The first octet says whether the limits are tight; the second how the rest,
    /// which is what a client sends, is split, and which requests are kept.
    static let scanner = FuzzTarget(name: "scanner") { input in
        var input = input
        let options = input.takeFirst()
        let seed = input.takeFirst()
        let limits = options & 4 != 0 ? HTTPLimits.tight : HTTPLimits()
        try checkHeads(input, limits, seed)
        // A server asks the scanner first, and sees no difference.
        let exact = try ParserRun(input, .request, limits: limits, in: .whole(input.count))
        for pieces in [Pieces.whole(input.count), .octets(input.count), Pieces(input.count, seed: seed)] {
            let scanner = RequestScanner(limits: limits)
            let scanned = try ParserRun(input, .request, limits: limits, in: pieces, scanner: scanner)
            try require(scanned.events, equals: exact.events, "scanned first, split as \(pieces.lengths)")
        }
    }

    /// Scans one head after the other, as though none had a body. Whatever the scanner accepts, a fresh parser accepts; what it
    /// does not accept leaves the last request as it was; and no request changes that somebody has kept.
    private static func checkHeads(_ input: [UInt8], _ limits: HTTPLimits, _ seed: UInt8) throws {
        let scanner = RequestScanner(limits: limits)
        var kept: [(request: HTTPRequest, copy: RequestCopy)] = []
        var last = RequestCopy(scanner.head)
        var rest = input[...]
        while !rest.isEmpty {
            let bytes = Array(rest)
            let length = bytes.withExactCopy { scanner.scan($0) }
            if length > 0 {
                last = try accepted(bytes, length, limits)
                try require(scanner.isHead, equals: last.head.request.method == .head, "whether it is HEAD")
            }
            try require(RequestCopy(scanner.head), equals: last, "scanned \(length) octets")
            if kept.count < 8, seed >> UInt8(kept.count) & 1 != 0 { kept.append((scanner.request, last)) }
            // After a "no", what follows the next line may be a head.
            rest = length > 0 ? rest.dropFirst(length) : rest.drop { $0 != 0x0A }.dropFirst()
        }
        for (request, copy) in kept { try require(copy.holds(request), "\(request) was \(copy)") }
    }

    /// What the parser says about a head that the scanner has accepted.
    private static func accepted(_ bytes: [UInt8], _ length: Int, _ limits: HTTPLimits) throws -> RequestCopy {
        var parser = HTTPParser(role: .request, limits: limits)
        var consumed = 0
        let event = try bytes.withUnsafeBytes { bytes in
            Result { try parser.parse(bytes, consumed: &consumed) }
        }.get()
        try require(event, equals: .head, "a head that was scanned")
        try require(length, equals: consumed, "octets of the head")
        let head = parser.takeRequestHead()
        let target = Array((head.request.path ?? "").utf8)
        try require(target.withUnsafeBytes { HTTPURI.isWellFormed(target: $0) }, "the target \(target)")
        return RequestCopy(head)
    }
}

/// A head without any memory of the scanner's, and with the case of the names, which `==` on fields does not regard.
private struct RequestCopy: Equatable {
    var head: HTTPRequestHead
    var fields: [UInt8]

    init(_ head: HTTPRequestHead) {
        self.head = head
        let request = head.request
        var copy = HTTPFields()
        request.headerFields.forEachRawField { copy.appendRaw(name: $0, value: $1) }
        self.head.request = HTTPRequest(
            method: request.method,
            scheme: request.scheme,
            authority: request.authority,
            path: request.path,
            headerFields: copy
        )
        fields = request.headerFields.withBytes { Array($0) }
    }

    func holds(_ request: HTTPRequest) -> Bool {
        request == head.request && request.headerFields.withBytes { $0.elementsEqual(fields) }
    }
}
