import CLinux
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// When the pieces of a streamed response leave, and what holds back the handler that writes them.
@Suite(.timeLimit(.minutes(5)))
struct ServerStreamingTests {
    // MARK: When they leave

    /// Without a length, with one, and to a client of HTTP/1.0.
    @Test(arguments: [nil, 5], ["HTTP/1.1", "HTTP/1.0"])
    func theHeadOfAStreamedResponseIsSentBeforeItsFirstByte(length: Int?, version: String) throws {
        try withHTTPServer(handler: { _, _ in
            HTTPServerResponse(
                body: .stream(length: length) { writer in
                    try await sleep(for: .seconds(10))
                    try await writer.write("hello")
                }
            )
        }) { server in
            let client = try await RawClient.connect(to: server)
            let clock = EventLoop.current.clock
            let begun = clock.now
            try await client.send("GET / \(version)\r\nHost: a\r\n\r\n")
            #expect(try await client.head()?.status == 200)
            #expect(begun.duration(to: clock.now) < .seconds(1))
            #expect(try await client.piece()?.contains("hello") == true)
            #expect(begun.duration(to: clock.now) >= .seconds(10))
            client.stream.close()
        }
    }

    @Test func aQuietEventStreamOutlivesTheClientsFirstByteTimeout() throws {
        try withHTTPServer(handler: { _, _ in
            HTTPServerResponse(
                headerFields: [.contentType: "text/event-stream"],
                body: .stream { writer in
                    try await sleep(for: .seconds(20))
                    try await writer.write("data: at last\n\n")
                }
            )
        }) { server in
            var configuration = HTTPClient.Configuration()
            configuration.firstByteTimeout = .seconds(5)
            let client = HTTPClient(configuration: configuration)
            let request = HTTPClientRequest(.get, HTTPURL("http://\(server.localAddress)/")!)
            let text = try await client.perform(request) { response, body in
                #expect(response.status == .ok)
                return try await body.text(upTo: 100)
            }
            #expect(text == "data: at last\n\n")
            await client.shutdown()
        }
    }

    @Test func whatIsWrittenLeavesInItsTurn() throws {
        try withHTTPServer(handler: { _, _ in
            HTTPServerResponse(
                body: .stream(length: 20) { writer in
                    for _ in 0..<10 {
                        try await sleep(for: .seconds(1))
                        try await writer.write("ab")
                    }
                }
            )
        }) { server in
            let client = try await RawClient.connect(to: server)
            let clock = EventLoop.current.clock
            let begun = clock.now
            try await client.send(RawClient.get("/"))
            _ = try await client.head()
            for second in 1...10 {
                #expect(try await client.piece() == "ab")
                let time = begun.duration(to: clock.now)
                #expect(time >= .seconds(second) && time < .seconds(second) + .milliseconds(100), "\(time)")
            }
            client.stream.close()
        }
    }

    @Test func smallWritesOfOneTurnLeaveTogether() throws {
        let sendsBefore = Shared<UInt64>(0)
        try withHTTPServer(handler: { _, _ in
            HTTPServerResponse(
                body: .stream { writer in
                    try await sleep(for: .seconds(1))
                    sendsBefore.value = SystemCalls.counts.send
                    for number in 0..<10 { try await writer.write("\(number)") }
                    try await sleep(for: .seconds(1))
                }
            )
        }) { server in
            let client = try await RawClient.connect(to: server)
            try await client.send(RawClient.get("/"))
            _ = try await client.head()
            let expected = (0..<10).map { "1\r\n\($0)\r\n" }.joined()
            #expect(try await client.piece() == expected)
            #expect(SystemCalls.counts.send - sendsBefore.value == 1)
            #expect(try await client.piece() == "0\r\n\r\n")
            client.stream.close()
        }
    }

    // MARK: What holds them back

    /// More than the kernel's buffers of both ends hold (tcp_wmem, tcp_rmem in tcp(7)) as long as nobody reads.
    private static let bound = 16 << 20

    @Test(arguments: [nil, 1 << 30])
    func aSlowReaderHoldsTheProducerBack(length: Int?) throws {
        let (written, isOver) = (Shared(0), Shared(false))
        try withHTTPServer(handler: { _, _ in
            HTTPServerResponse(
                body: .stream(length: length) { writer in
                    defer { isOver.value = true }
                    let piece = [UInt8](repeating: 0x61, count: 1024)
                    // It ends by itself if nothing holds it back.
                    while written.value < 8 * Self.bound {
                        try await writer.write(piece)
                        written.value += piece.count
                    }
                }
            )
        }) { server in
            let client = try await RawClient.connect(to: server)
            try await client.send(RawClient.get("/"))
            try await sleep(for: .seconds(5))
            let before = written.value
            #expect(before > 0 && before < Self.bound, "\(before) bytes were written, and nobody has read one")
            try await sleep(for: .seconds(5))
            #expect(written.value == before)
            // It goes on as soon as there is room.
            var received = 0
            while received < before { received += try await client.piece()?.utf8.count ?? .max / 2 }
            try await sleep(for: .seconds(1))
            #expect(written.value > before)
            client.stream.abort()
            try await sleep(for: .seconds(1))
            #expect(isOver.value)
        }
    }

    /// With a reset, and by closing.
    @Test(arguments: [true, false])
    func aStreamedBodyThatIsWrittenToAfterTheClientLeftFails(abruptly: Bool) throws {
        let (writes, failure) = (Shared(0), Shared<(any Error)?>(nil))
        try withHTTPServer(handler: { _, _ in
            HTTPServerResponse(
                body: .stream { writer in
                    do {
                        while writes.value < 100 {
                            try await writer.write("piece")
                            writes.value += 1
                            try await sleep(for: .seconds(1))
                        }
                    } catch {
                        failure.value = error
                        throw error
                    }
                }
            )
        }) { server in
            let client = try await RawClient.connect(to: server)
            try await client.send(RawClient.get("/"))
            _ = try await client.head()
            #expect(try await client.piece()?.contains("piece") == true)
            if abruptly { client.stream.abort() } else { client.stream.close() }
            try await sleep(for: .seconds(200))
            // The kernel takes what comes before the client's answer to it.
            #expect(writes.value <= 5, "\(writes.value)")
            #expect((failure.value as? HTTPError)?.kind == .connection, "\(failure.value as Any)")
            #expect(server.connectionCount == 0)
        }
    }
}
