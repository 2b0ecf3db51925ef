import Testing

@testable import LeatHTTP

/// The scanner and the parser say the same about every head.
@Suite struct WireScannerTests {
    /// Octets that mean something in a head, or lie next to those that do.
    private static let interesting: [UInt8] = Array("\0\t\n\r \"#%:/0Aa~".utf8) + [0x7F, 0x80, 0xFF]

    private func octets(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8($0.value) } }

    private func head(_ lines: String...) -> [UInt8] {
        octets("GET / HTTP/1.1\r\n" + lines.map { $0 + "\r\n" }.joined() + "\r\n")
    }

    // MARK: Whole heads

    @Test func anOrdinaryHeadIsAccepted() {
        let check = ScannerCheck()
        for bytes in ScannerHeads.ordinary + ScannerHeads.lengths {
            #expect(check(bytes) == bytes.count, "\(String(decoding: bytes, as: UTF8.self))")
        }
    }

    @Test func theCorpusOfTheParserIsReadAlike() {
        let check = ScannerCheck()
        for input in Corpus.goodRequests + Corpus.badRequests { check(input.bytes) }
        #expect(check.accepted > 3 && check.refused > 50)
    }

    @Test func aServerThatAsksTheScannerFirstSeesTheSameMessages() {
        var generator = SeededGenerator(seed: 7)
        for input in Corpus.goodRequests + Corpus.badRequests {
            let expected = observe(input.bytes, .request)
            #expect(observeScanning(input.bytes) == expected, "\(input.name)")
            for _ in 0..<10 {
                let cuts = (0..<3).map { _ in Int.random(in: 0...input.bytes.count, using: &generator) }.sorted()
                #expect(observeScanning(input.bytes, cuts: cuts) == expected, "\(input.name) cut at \(cuts)")
            }
        }
    }

    @Test func noPrefixOfAHeadIsAccepted() {
        let check = ScannerCheck()
        for bytes in ScannerHeads.ordinary + ScannerHeads.lengths {
            for count in 0..<bytes.count { check(Array(bytes[..<count])) }
        }
        #expect(check.accepted == 0)
    }

    @Test func whatFollowsAHeadIsNotTouched() {
        let check = ScannerCheck()
        let following =
            ["", "x", "\r\n", "\r\n\r\n", "\n", " ", "X: y\r\n\r\n", "GET / HTTP/1.1\r\nHost: b\r\n\r\n"].map(octets)
            + [[0], [0xFF], [UInt8](repeating: 0x61, count: 40)]
        for bytes in ScannerHeads.ordinary {
            for more in following { #expect(check(bytes + more) == bytes.count) }
        }
    }

    // MARK: Changed heads

    @Test(arguments: ScannerHeads.ordinary)
    func aChangedOctetIsSeenByBoth(_ bytes: [UInt8]) {
        let check = ScannerCheck()
        for offset in bytes.indices {
            for octet in Self.interesting {
                var changed = bytes
                changed[offset] = octet
                check(changed)
                changed.insert(bytes[offset], at: offset + 1)
                check(changed)
            }
            var changed = bytes
            changed.remove(at: offset)
            check(changed)
        }
        #expect(check.accepted > 20 && check.refused > 100)
    }

    @Test func aNearlySpecialNameIsSeenByBoth() {
        let check = ScannerCheck()
        let lines = [
            ("Host", "b"), ("Content-Length", "5"), ("Connection", "close"), ("Transfer-Encoding", "chunked"),
            ("Expect", "100-continue"), ("Upgrade", "h2c"),
        ]
        for (name, value) in lines {
            let name = Array(name.utf8)
            for offset in name.indices {
                for octet in [name[offset] ^ 0x20, name[offset] ^ 0x80, name[offset] &+ 1, name[offset] &- 1] {
                    var changed = name
                    changed[offset] = octet
                    check(octets("POST / HTTP/1.1\r\nHost: a\r\n") + changed + octets(": \(value)\r\n\r\n"))
                    check(octets("POST / HTTP/1.1\r\n") + changed + octets(": \(value)\r\n\r\n"))
                }
            }
        }
        #expect(check.accepted > 20 && check.refused > 100)
    }

    @Test func randomHeadsAreReadAlike() {
        var generator = SeededGenerator(seed: 11)
        let check = ScannerCheck()
        for _ in 0..<6000 {
            var bytes = RandomHead.make(&generator)
            for _ in 0..<max(0, Int.random(in: -2...2, using: &generator)) {
                let offset = Int.random(in: bytes.indices, using: &generator)
                bytes[offset] = Self.interesting.randomElement(using: &generator)!
            }
            check(bytes)
        }
        #expect(check.accepted > 1000 && check.refused > 1000)
    }

    // MARK: Framing, connection, host

    @Test func everyPairOfSpecialFieldsIsReadAlike() {
        let check = ScannerCheck()
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "CONNECT", "TRACE", "GETT"] {
            for line in ScannerHeads.special {
                check(octets("\(method) / HTTP/1.1\r\nHost: a\r\n\(line)\r\n\r\n"))
            }
        }
        for first in ScannerHeads.special {
            check(head(first))
            for second in ScannerHeads.special { check(head(first, "Host: a", second)) }
        }
        #expect(check.accepted > 100 && check.refused > 1000)
    }

    @Test func everyHostIsReadAlike() {
        let check = ScannerCheck()
        for host in ScannerHeads.hosts {
            for before in ["", " ", "\t"] {
                check(head("Host:\(before)\(host)"))
                check(head("Host:\(before)\(host)", "hOST: a"))
                check(head("Accept: */*", "hoST:\(before)\(host)\(before)"))
            }
        }
        #expect(check.accepted > 40 && check.refused > 100)
    }

    @Test func theRequestLineIsReadAlike() {
        let check = ScannerCheck()
        let targets = [
            "/", "*", "a", "//", "/a?b", "/?", "/%20", "/%", "/%zz", "/#", "/a#b", "http://a/", "https://a", "a:80", "",
            " ", "/\u{e9}", "/\"<>\\^`{|}", "/\u{7f}", "/\t", "?a",
        ]
        let versions = [
            "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", " HTTP/1.1", "HTTP/11",
        ]
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "G", "GETS", "Get", ""] {
            for target in targets {
                for version in versions { check(octets("\(method) \(target) \(version)\r\nHost: a\r\n\r\n")) }
            }
        }
        for first in ["\r\n", "\n", " ", "\r\n\r\n"] { check(octets(first) + ScannerHeads.ordinary[0]) }
        #expect(check.accepted == 6 * 5 && check.refused > 1000)
    }

    // MARK: Limits

    @Test(arguments: [\HTTPLimits.maximumHead, \.maximumStartLine, \.maximumFieldLine, \.maximumFieldCount])
    func aHeadAtALimitIsAcceptedAndOneBeyondIsNot(_ limit: any WritableKeyPath<HTTPLimits, Int> & Sendable) {
        let memory = GuardedMemory()
        for bytes in ScannerHeads.ordinary {
            var accepted: [Bool] = []
            for value in -1...bytes.count + 2 {
                var limits = HTTPLimits()
                limits[keyPath: limit] = value
                accepted.append(ScannerCheck(limits: limits, memory: memory)(bytes) > 0)
            }
            // The check compares each with the parser; besides, there is one limit from which on the head passes.
            #expect(accepted.first == false && accepted.last == true)
            #expect(zip(accepted, accepted.dropFirst()).filter { $0 != $1 }.count == 1)
        }
    }

    @Test func aHeadAtALimitIsAcceptedAlsoWithMoreBehindIt() {
        let memory = GuardedMemory()
        let bytes = ScannerHeads.ordinary[2]
        for value in bytes.count - 3...bytes.count + 3 {
            var limits = HTTPLimits()
            limits.maximumHead = value
            let check = ScannerCheck(limits: limits, memory: memory)
            #expect(check(bytes + bytes) == (value >= bytes.count ? bytes.count : 0))
        }
    }

    @Test(arguments: [62, 63, 64, 65, 66, 127, 128, 129])
    func manyFieldsAreLeftToTheParser(_ count: Int) {
        let lines = (1..<count).map { "X-\($0): \($0)\r\n" }.joined()
        let bytes = octets("GET / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n")
        for limit in [count - 1, count, count + 1, 1000] {
            var limits = HTTPLimits()
            limits.maximumFieldCount = limit
            #expect((ScannerCheck(limits: limits)(bytes) > 0) == (count <= 64 && count <= limit))
        }
    }

    // MARK: One request after the other

    @Test func theNextRequestIsRightWhateverWasKept() {
        var generator = SeededGenerator(seed: 13)
        let long = String(repeating: "b", count: 300)
        var heads: [[UInt8]] = []
        for host in ["a", "b", "a:80", long, long + "c", String(repeating: "b", count: 256)] {
            for target in ["/", "/a", "/b", "/" + long, "/" + long + "c", "/" + String(repeating: "b", count: 255)] {
                heads.append(octets("GET \(target) HTTP/1.1\r\nHost: \(host)\r\n\r\n"))
            }
            heads.append(octets("HEAD / HTTP/1.1\r\nHost: \(host)\r\nX: y\r\n\r\n"))
            heads.append(octets("POST /a HTTP/1.1\r\nHost: \(host)\r\nContent-Length: 5\r\n\r\n"))
            heads.append(octets("GET /c HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\(long): \(long)\r\n\r\n"))
            // The scanner learns of the host before it sees that it cannot read these, or refuses them for it.
            heads.append(octets("GET / HTTP/1.1\r\nHost: \(host)\r\nExpect: 100-continue\r\n\r\n"))
            heads.append(octets("GET / HTTP/1.1\r\nHost: \(host)\r\nHost: c\r\n\r\n"))
            heads.append(octets("GET /a HTTP/1.1\r\nHost: \(host) d\r\n\r\n"))
        }
        heads += ScannerHeads.ordinary
        let check = ScannerCheck()
        var kept: [(request: HTTPRequest, head: ScannerCheck.Head)] = []
        for step in 0..<5000 {
            // Often the same again.
            if step % 3 != 0 { check(heads.randomElement(using: &generator)!) }
            guard let last = check.last else { continue }
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: kept.append((check.scanner.request, last))
            case 1 where !kept.isEmpty: kept.remove(at: Int.random(in: kept.indices, using: &generator))
            case 2:
                // Whoever has a request may change it.
                var request = check.scanner.request
                request.path = "/changed"
                request.authority = "changed"
                request.method = .trace
                request.headerFields[.host] = "changed"
                request.headerFields.append(.init(name: .accept, value: "changed"))
            default: break
            }
            if kept.count > 40 { kept.removeFirst(20) }
            if let changed = kept.first(where: { !$0.head.fits($0.request) }) {
                Issue.record("at step \(step) became \(changed.request): \(changed.head.head.request)")
                return
            }
        }
        #expect(check.accepted > 1500 && check.refused > 300)
    }

    @Test func aRequestThatNobodyKeepsLendsItsMemoryToTheNext() throws {
        let check = ScannerCheck()
        func identity() throws -> [ObjectIdentifier] {
            let request = check.scanner.request
            return [ObjectIdentifier(request.line), ObjectIdentifier(try #require(request.headerFields.storage))]
        }
        _ = check("GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n")
        let first = try identity()
        _ = check("GET /b HTTP/1.1\r\nHost: b\r\nX: z\r\n\r\n")
        #expect(try identity() == first)
        let kept = check.scanner.request
        _ = check("GET /c HTTP/1.1\r\nHost: c\r\n\r\n")
        #expect(try zip(identity(), first).allSatisfy { $0 != $1 })
        #expect(kept.path == "/b" && kept.authority == "b" && kept.headerFields.count == 2)
    }

    @Test func theSameLineIsSharedByRequestsThatAreKept() {
        let check = ScannerCheck()
        _ = check("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        let first = check.scanner.request
        _ = check("GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n")
        #expect(check.scanner.request.line === first.line)
        // Another Host, or another method, makes another line of the same target.
        _ = check("GET /a HTTP/1.1\r\nHost: A\r\n\r\n")
        #expect(check.scanner.request.authority == "A")
        _ = check("PUT /a HTTP/1.1\r\nHost: A\r\n\r\n")
        #expect(check.scanner.request.method == .put)
        #expect(first.method == .get && first.authority == "a")
    }

    @Test func aNoChangesNothing() {
        let scanner = RequestScanner(limits: HTTPLimits())
        func scan(_ text: String) -> Int { Array(text.utf8).withUnsafeBytes { scanner.scan($0) } }
        #expect(scan("HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\n") > 0)
        let before = scanner.request
        for fields in ["Content-Length: 7\r\nExpect: x", "Connection: keep-alive\r\nUpgrade: x", "X", "Host: b"] {
            #expect(scan("POST /b HTTP/1.1\r\nHost: b\r\n\(fields)\r\n\r\n") == 0)
            #expect(scanner.contentLength == 5 && !scanner.keepsAlive && scanner.isHead)
            #expect(scanner.request.line === before.line)
            #expect(scanner.request.headerFields.storage === before.headerFields.storage)
        }
    }

    // MARK: What the parser has left behind

    /// Trailers that nobody took must not be found by the next request, be it of another connection.
    @Test(arguments: [false, true])
    func aScannedRequestHasNoTrailersOfAnother(_ isOtherConnection: Bool) throws {
        var parser = HTTPParser(role: .request)
        try drain(&parser, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Secret: y\r\n\r\n")
        if isOtherConnection { parser.reset() }
        parser.skipHead(bodyLength: 3)
        try drain(&parser, "abc")
        #expect(parser.isIdle)
        #expect(parser.takeTrailers().isEmpty)
    }

    private func drain(_ parser: inout HTTPParser, _ text: String) throws {
        var position = 0
        try Array(text.utf8).withUnsafeBytes { bytes in
            while try parser.parse(bytes, consumed: &position) != .needMore {}
        }
    }
}

/// Random heads, most of which are ordinary.
private enum RandomHead {
    private static let nameOctets = Array("aZ09-!#$%&'*+.^_`|~".utf8)
    private static let valueOctets = Array("aZ09 -:,;=\"/\t".utf8) + [0x80, 0xFF]
    private static let targetOctets = Array("aZ09/?&=.-_~!$'()*+,;:@[]{}|\"<>\\^`".utf8)

    static func make(_ generator: inout SeededGenerator) -> [UInt8] {
        let method = ["GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"].randomElement(using: &generator)!
        var bytes = Array("\(method) /".utf8)
        bytes += random(targetOctets, 0...40, &generator)
        bytes += Array(" HTTP/1.1\r\n".utf8)
        let count = Int.random(in: 0...8, using: &generator)
        let host = Int.random(in: 0...count, using: &generator)
        for index in 0...count {
            if index == host, Int.random(in: 0..<10, using: &generator) > 0 {
                appendLine(Array("Host".utf8), Array("example.com".utf8), to: &bytes, &generator)
            } else if Int.random(in: 0..<10, using: &generator) == 0 {
                bytes += Array("\(ScannerHeads.special.randomElement(using: &generator)!)\r\n".utf8)
            } else {
                let value = random(valueOctets, 0...50, &generator)
                appendLine(random(nameOctets, 1...40, &generator), value, to: &bytes, &generator)
            }
        }
        return bytes + [0x0D, 0x0A]
    }

    private static func appendLine(
        _ name: [UInt8],
        _ value: [UInt8],
        to bytes: inout [UInt8],
        _ generator: inout SeededGenerator
    ) {
        bytes += name + [0x3A]
        bytes += random([0x20, 0x09], 0...3, &generator) + value + random([0x20, 0x09], 0...3, &generator)
        bytes += [0x0D, 0x0A]
    }

    private static func random(
        _ octets: [UInt8],
        _ length: ClosedRange<Int>,
        _ generator: inout SeededGenerator
    ) -> [UInt8] {
        (0..<Int.random(in: length, using: &generator)).map { _ in octets.randomElement(using: &generator)! }
    }
}
