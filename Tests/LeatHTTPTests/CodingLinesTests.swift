import LeatHTTP
import Testing

/// Bodies as lines.
@Suite(.timeLimit(.minutes(5)))
struct CodingLinesTests {
    private func lines(_ pieces: [[UInt8]], upTo maximum: Int = 65536) async throws -> [String] {
        try await withBody(pieces) { _, body in
            var lines: [String] = []
            for try await line in body.lines(upTo: maximum) { lines.append(line) }
            return lines
        }
    }

    @Test(arguments: [
        ("", []),
        ("one", ["one"]),
        ("one\n", ["one"]),
        ("one\n\n", ["one", ""]),
        ("\n", [""]),
        ("\r", [""]),
        ("\r\n", [""]),
        ("a\nb\rc\r\nd", ["a", "b", "c", "d"]),
        ("a\r\r\nb\n\rc", ["a", "", "b", "", "c"]),
        ("\r\n\r\na\r\n", ["", "", "a"]),
        ("größer\n日本\r\n", ["größer", "日本"]),
        ("a\u{2028}b\u{0B}\u{85}\n", ["a\u{2028}b\u{0B}\u{85}"]),
    ])
    func everySplitGivesTheSameLines(text: String, expected: [String]) throws {
        try runHTTPLoop {
            for pieces in splits(of: Array(text.utf8)) {
                let lines = try await lines(pieces)
                #expect(lines == expected, "\(pieces)")
            }
        }
    }

    @Test func illFormedTextIsRepaired() throws {
        try runHTTPLoop {
            let lines = try await lines([[0x61, 0xFF, 0x0A, 0xE2, 0x82], [0x0A, 0x62]])
            #expect(lines == ["a\u{FFFD}", "\u{FFFD}", "b"])
        }
    }

    @Test func aLineOfExactlyTheMaximumIsAccepted() throws {
        try runHTTPLoop {
            for pieces in splits(of: Array("12345\r\n123\n12345".utf8)) {
                let lines = try await lines(pieces, upTo: 5)
                #expect(lines == ["12345", "123", "12345"])
            }
        }
    }

    @Test(arguments: ["123456", "123456\n", "1\n123456\n"])
    func aLineThatIsTooLongIsAnError(text: String) throws {
        try runHTTPLoop {
            for pieces in splits(of: Array(text.utf8)) {
                try await withBody(pieces) { _, body in
                    var iterator = body.lines(upTo: 5).makeAsyncIterator()
                    if text.hasPrefix("1\n") {
                        let first = try await iterator.next()
                        #expect(first == "1")
                    }
                    do {
                        let line = try await iterator.next()
                        Issue.record("\(line ?? "nil")")
                    } catch let error as HTTPError {
                        #expect(error.kind == .lineTooLong)
                        #expect(error.message == "a line of the body has more than 5 bytes")
                    }
                    let after = try await iterator.next()
                    #expect(after == nil)
                }
            }
        }
    }

    @Test func anErrorOfTheBodyEndsTheLines() throws {
        try runHTTPLoop {
            let cut = Array(Compressed.gzip.dropLast())
            try await withBody([cut], fields: "Content-Encoding: gzip\r\n") { _, body in
                await #expect {
                    for try await _ in body.lines() {}
                } throws: {
                    ($0 as? HTTPError)?.kind == .incomplete
                }
            }
        }
    }

    @Test func linesAreDecoded() throws {
        try runHTTPLoop {
            try await withBody([Compressed.gzip], fields: "Content-Encoding: gzip\r\n") { _, body in
                var lines: [String] = []
                for try await line in body.lines() { lines.append(line) }
                #expect(lines == [String(decoding: Compressed.text, as: UTF8.self)])
            }
        }
    }
}
