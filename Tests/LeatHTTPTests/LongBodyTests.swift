import Glibc
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// Long bodies that are collected do not pass through the shared buffer. Nothing but the cost may tell.
@Suite(.timeLimit(.minutes(5)))
struct LongBodyTests {
    private static let lengths = [32_767, 32_768, 100_000, 1 << 20, 20_000_003]

    /// As many octets, which do not repeat in steps of any buffer's size.
    private static func content(_ count: Int) -> [UInt8] {
        let pattern = (0..<10_007).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 11) }
        var content: [UInt8] = []
        while content.count < count { content += pattern[..<min(pattern.count, count - content.count)] }
        return content
    }

    private static func isSame(_ body: [UInt8], _ content: [UInt8]) -> Bool {
        body.count == content.count && memcmp(body, content, content.count) == 0
    }

    /// A server that answers each request on two connections with `head` and `body`, the first `early` octets of that together
    /// with the head.
    private func peer(_ head: String, _ body: [UInt8], early: Int = 0) throws -> HTTPURL {
        let listener = try TCPListener.bind(to: .loopback(port: 0))
        onLoop {
            for _ in 0..<2 {
                let stream = try await listener.accept()
                onLoop { try await answer(stream, head, body, early) }
            }
        }
        return HTTPURL("http://\(listener.localAddress)/")!
    }

    private func answer(_ stream: TCPStream, _ head: String, _ body: [UInt8], _ early: Int) async throws {
        defer { stream.close() }
        while try await stream.read() != nil {
            try await stream.write(Array("HTTP/1.1 200 OK\r\n\(head)\r\n\r\n".utf8) + body[..<early])
            try await sleep(for: .milliseconds(1))
            for start in stride(from: early, to: body.count, by: 300_007) {
                try await stream.write(Array(body[start..<min(body.count, start + 300_007)]))
                try await sleep(for: .milliseconds(1))
            }
            if head.hasSuffix("close") { break }
        }
    }

    @Test(arguments: lengths, [0, 1, 30_000])
    func arriveAsTheyWereSentAndTheConnectionGoesOn(length: Int, early: Int) throws {
        try runHTTPLoop {
            let content = Self.content(length)
            let url = try peer("Content-Length: \(length)", content, early: early)
            let client = HTTPClient()
            for _ in 0..<2 { #expect(Self.isSame(try await client.request(.get, url, upTo: length).body, content)) }
            let collected = try await client.perform(HTTPClientRequest(.get, url)) { _, body in
                try await body.collect(upTo: length)
            }
            #expect(Self.isSame(collected, content))
            #expect(client.metrics.connectionsCreated == 1)
            #expect(client.metrics.bytesReceived > 3 * length)
            await client.shutdown()
        }
    }

    @Test(.enabled(if: TLSFixtures.isAvailable, "the openssl command is not installed"), arguments: [false, true])
    func comeBackFromAServerThatCollectsThem(secure: Bool) throws {
        try runHTTPLoop {
            var (configuration, clientConfiguration) = (HTTPServer.Configuration(), HTTPClient.Configuration())
            if secure { configuration.tls = TLSFixtures.shared.server() }
            clientConfiguration.tls = TLSFixtures.shared.client
            let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { _, body in
                HTTPServerResponse(body: .bytes(try await body.collect(upTo: 3_000_000)))
            }
            onLoop { try await server.run() }
            let client = HTTPClient(configuration: clientConfiguration)
            let url = HTTPURL("http\(secure ? "s" : "")://\(server.localAddress)/")!
            let answers = try await (0..<20).concurrentMap(limit: 5) { number in
                let content = Self.content(number * 150_000)
                return Self.isSame(try await client.post(url, body: .bytes(content)).body, content)
            }
            #expect(answers == Array(repeating: true, count: 20))
            await client.shutdown()
            server.beginGracefulShutdown()
        }
    }

    /// What follows the body stays where it is, and spoils the connection.
    @Test func endWhereTheySayTheyEnd() throws {
        try runHTTPLoop {
            let content = Self.content(300_000)
            let url = try peer("Content-Length: 200000", content)
            let client = HTTPClient()
            for _ in 0..<2 {
                let body = try await client.get(url).body
                #expect(Self.isSame(body, Array(content[..<200_000])))
                try await sleep(for: .seconds(1))
            }
            #expect(client.metrics.connectionsCreated == 2)
            await client.shutdown()
        }
    }

    @Test func areObservedPieceByPiece() throws {
        try runHTTPLoop {
            let url = try peer("Content-Length: 1000000", Self.content(1_000_000))
            let pieces = Pieces()
            var configuration = HTTPClient.Configuration()
            configuration.observer = { event in
                if case .responseChunkReceived(let bytes) = event.kind { pieces.sizes.append(bytes) }
            }
            let client = HTTPClient(configuration: configuration)
            _ = try await client.get(url)
            #expect(pieces.sizes.count >= 4 && pieces.sizes.reduce(0, +) == 1_000_000)
            #expect(pieces.sizes.allSatisfy { $0 > 0 })
            await client.shutdown()
        }
    }

    /// What a peer says is no reason to ask for as much memory.
    @Test(arguments: [1 << 40, Int.max]) func maySayThatTheyAreEndless(length: Int) throws {
        try runHTTPLoop {
            let url = try peer("Content-Length: \(length)\r\nConnection: close", Self.content(100_000))
            let client = HTTPClient()
            await expectError(.incomplete) { _ = try await client.request(.get, url, upTo: .max) }
            let again = try peer("Content-Length: \(length)\r\nConnection: close", Self.content(100_000))
            await expectError(.incomplete) {
                _ = try await client.perform(HTTPClientRequest(.get, again)) { _, body in
                    try await body.collect(upTo: .max)
                }
            }
            await client.shutdown()
        }
    }

    @Test func thatAreTooLongAreRefusedBeforeTheyAreReceived() throws {
        try runHTTPLoop {
            let url = try peer("Content-Length: 20000000", Self.content(40_000))
            let client = HTTPClient()
            await expectError(.bodyTooLarge) {
                _ = try await client.perform(HTTPClientRequest(.get, url)) { _, body in
                    try await body.collect(upTo: 1_000_000)
                }
            }
            #expect(client.metrics.bytesReceived < 200_000)
            await client.shutdown()
        }
    }

    @Test(arguments: [true, false]) func thatStopAreLateOrCancelled(cancelled: Bool) throws {
        try runHTTPLoop {
            let url = try peer("Content-Length: 1000000", Self.content(400_000))
            var configuration = HTTPClient.Configuration()
            configuration.readTimeout = .seconds(5)
            let client = HTTPClient(configuration: configuration)
            let request = onLoop { try await client.get(url) }
            if cancelled {
                try await sleep(for: .seconds(1))
                request.cancel()
                await #expect(throws: CancellationError.self) { try await request.value }
            } else {
                await expectError(.timeout) { _ = try await request.value }
            }
            await client.shutdown()
            try await sleep(for: .seconds(1))
            // The peer's, for another connection.
            #expect(EventLoop.current.statistics.waits == 1)
        }
    }

    private func expectError(_ kind: HTTPError.Kind, _ body: () async throws -> Void) async {
        do {
            try await body()
            Issue.record("it succeeded")
        } catch {
            #expect((error as? HTTPError)?.kind == kind, "\(error)")
        }
    }
}

/// Touched on one loop only.
private final class Pieces: @unchecked Sendable {
    var sizes: [Int] = []
}
