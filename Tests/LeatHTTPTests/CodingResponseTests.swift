import Leat
import LeatHTTP
import LeatLoop
import Testing

private final class Turns: @unchecked Sendable {
    var count = 0
}

/// Which decoder a response gets, and bodies that are decoded while they are read.
@Suite(.timeLimit(.minutes(5)))
struct CodingResponseTests {
    /// The head of a response to a request of this method, as the parser makes it.
    private func head(
        _ fields: String,
        status: String = "200 OK",
        to method: HTTPRequest.Method = .get
    ) throws -> HTTPResponseHead {
        let message = Array("HTTP/1.1 \(status)\r\n\(fields)\r\n".utf8)
        guard case .response(let head) = observe(message, .response, answering: method).first else {
            throw HTTPError.peerClosed()
        }
        return head
    }

    @Test func theCodingsAreReadFromTheFields() throws {
        let cases: [(HTTPFields, ContentCoding.Listed)] = [
            ([:], .known([])),
            ([.contentEncoding: "identity"], .known([])),
            ([.contentEncoding: " GZip "], .known([.gzip])),
            ([.contentEncoding: "x-gzip"], .known([.gzip])),
            ([.contentEncoding: "deflate,, gzip"], .known([.deflate, .gzip])),
            ([.contentEncoding: "deflate", .contentEncoding: "identity, gzip"], .known([.deflate, .gzip])),
            ([.contentEncoding: "gzip, BR"], .unknown("br")),
            ([.contentEncoding: "zstd"], .unknown("zstd")),
            ([.contentEncoding: "gzip;q=1"], .unknown("gzip;q=1")),
        ]
        for (fields, listed) in cases {
            let result = try ContentCoding.listed(in: fields)
            #expect(result == listed, "\(fields)")
        }
    }

    @Test func aThirdCodingIsRefused() {
        let fields: HTTPFields = [.contentEncoding: "gzip, gzip", .contentEncoding: "gzip"]
        #expect(failure { () throws(HTTPError) in try ContentCoding.listed(in: fields) }?.kind == .contentCoding)
    }

    @Test func aDecodedResponseLosesTheFieldsThatDescribeItsCodedForm() throws {
        var head = try head("Content-Length: 100\r\nContent-Encoding: gzip\r\nETag: \"1\"\r\n")
        let decoder = try ContentDecoder.forResponse(
            head.response.status,
            &head.response.headerFields,
            framing: head.framing
        )
        #expect(decoder != nil)
        #expect(head.response.headerFields == [.eTag: "\"1\""])
    }

    @Test func aResponseThatIsNotDecodedKeepsItsFields() throws {
        let gzip = "Content-Length: 100\r\nContent-Encoding: gzip\r\n"
        for original in [
            try head("Content-Length: 100\r\n"),
            try head("Content-Length: 100\r\nContent-Encoding: br\r\n"),
            try head("Content-Length: 100\r\nContent-Encoding: identity\r\n"),
            // No body, or an empty one, or a part of one.
            try head(gzip, to: .head),
            try head(gzip, status: "304 Not Modified"),
            try head("Content-Length: 0\r\nContent-Encoding: gzip\r\n"),
            try head(gzip, status: "206 Partial Content"),
        ] {
            var head = original
            let decoder = try ContentDecoder.forResponse(
                head.response.status,
                &head.response.headerFields,
                framing: head.framing
            )
            #expect(decoder == nil, "\(original)")
            #expect(head == original)
        }
    }

    @Test func aBodyIsDecodedWhileItIsRead() throws {
        try runHTTPLoop {
            for pieces in splits(of: Compressed.gzip) {
                try await withBody(pieces, fields: "Content-Encoding: gzip\r\n") { head, body in
                    #expect(!head.response.headerFields.contains(.contentEncoding))
                    var text: [UInt8] = []
                    for try await piece in body { text += piece }
                    #expect(text == Compressed.text)
                    #expect(body.isFinished)
                    // At the end it stays at the end.
                    let after = try await body.read()
                    #expect(after == nil)
                }
            }
        }
    }

    @Test func anUnknownCodingIsPassedOn() throws {
        try runHTTPLoop {
            try await withBody([[1, 2], [3]], fields: "Content-Encoding: br\r\n") { head, body in
                #expect(head.response.headerFields[.contentEncoding] == "br")
                let bytes = try await body.collect(upTo: 3)
                #expect(bytes == [1, 2, 3])
            }
        }
    }

    @Test func collectingCountsDecodedBytes() throws {
        try runHTTPLoop {
            let fields = "Content-Encoding: gzip, gzip\r\n"
            try await withBody([Compressed.largeInGzip], fields: fields) { _, body in
                let bytes = try await body.collect(upTo: 256_000)
                #expect(bytes == Compressed.large)
            }
            try await withBody([Compressed.largeInGzip], fields: fields) { _, body in
                await #expect { try await body.collect(upTo: 255_999) } throws: {
                    ($0 as? HTTPError)?.kind == .bodyTooLarge
                }
            }
        }
    }

    @Test func aBodyWhoseDataIsCutOffIsIncomplete() throws {
        try runHTTPLoop {
            for count in 1..<Compressed.gzip.count {
                try await withBody([Array(Compressed.gzip[..<count])], fields: "Content-Encoding: gzip\r\n") {
                    _,
                    body in
                    await #expect { try await body.collect(upTo: 1000) } throws: {
                        ($0 as? HTTPError)?.kind == .incomplete
                    }
                    // And cannot be read on.
                    await #expect(throws: HTTPError.self) { try await body.read() }
                }
            }
        }
    }

    @Test func aBombEndsTheBody() throws {
        try runHTTPLoop {
            try await withBody([Compressed.bombInGzip], fields: "Content-Encoding: gzip, gzip\r\n") { _, body in
                var count = 0
                await #expect {
                    for try await piece in body { count += piece.count }
                } throws: {
                    ($0 as? HTTPError)?.kind == .compressionRatio
                }
                #expect(count <= 1 << 20)
            }
        }
    }

    @Test func whatIsLeftOfADecodedBodyIsSkippedUndecoded() throws {
        try runHTTPLoop {
            // Damaged in its second half, which nobody looks at.
            let coded = Compressed.gzip[..<20] + [UInt8](repeating: 0xFF, count: 20)
            try await withBody([Array(coded)], fields: "Content-Encoding: gzip\r\n") { _, body in
                let isAtEnd = body.discardReceived()
                #expect(isAtEnd)
            }
        }
    }

    @Test func decodingLetsOthersRun() throws {
        var configuration = EventLoop.Configuration()
        configuration.clock = .manual(ManualClock(autojump: true))
        configuration.maximumOperationsPerJob = 4
        try EventLoop.run(configuration: configuration) {
            var limits = ContentDecoder.Limits()
            limits.maximumRatio = .max
            try await withBody([Compressed.bombInGzip], fields: "Content-Encoding: gzip, gzip\r\n", limits: limits) {
                _,
                body in
                let turns = Turns()
                let watching = onLoop {
                    for _ in 0..<10 {
                        turns.count += 1
                        await Task.yield()
                    }
                }
                var count = 0
                for try await piece in body { count += piece.count }
                #expect(count == 10 << 20)
                #expect(turns.count == 10)
                try await watching.value
            }
        }
    }
}
