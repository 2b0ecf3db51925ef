import Leat
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@testable import LeatHTTP

/// What a task may keep and others may see. Used on one loop.
private final class Kept<Value>: @unchecked Sendable {
    var value: Value?
}

/// Large and streamed bodies to a peer that takes them slowly, or not at all.
@Suite(.timeLimit(.minutes(5)))
struct SendingTests {
    private static let large = [UInt8](repeating: 7, count: 24 << 20)

    private static func stream(length: Int?) -> HTTPBody {
        .stream(length: length) { writer in
            for start in stride(from: 0, to: large.count, by: 1 << 20) {
                try await writer.write(Array(large[start..<start + 1 << 20]))
            }
        }
    }

    static var bodies: [HTTPBody] { [.bytes(large), stream(length: large.count), stream(length: nil)] }

    /// Reads a megabyte a second until it has `count` bytes.
    private static func readSlowly(_ stream: TCPStream, _ count: Int) async throws {
        var received = 0
        while received < count {
            try await sleep(for: .seconds(1))
            var rest = 1 << 20
            while rest > 0, received < count, let bytes = try await stream.read(upTo: rest) {
                rest -= bytes.count
                received += bytes.count
            }
        }
    }

    @Test(arguments: 0..<3)
    func anUploadMayTakeLongAsLongAsItGoesOn(form: Int) throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let peer = onLoop {
                let stream = try await listener.accept()
                try await Self.readSlowly(stream, Self.large.count)
                try await stream.write(ok)
                _ = try? await stream.read()
            }
            var configuration = HTTPClient.Configuration()
            configuration.readTimeout = .seconds(10)
            let client = HTTPClient(configuration: configuration)
            let begun = EventLoop.current.now
            let url = HTTPURL("http://\(listener.localAddress)/")!
            let response = try await client.post(url, body: Self.bodies[form])
            #expect(response.text == "ok")
            #expect(begun.duration(to: EventLoop.current.now) > .seconds(15))
            peer.cancel()
            await client.shutdown()
        }
    }

    @Test(arguments: 0..<3)
    func aDownloadMayTakeLongAsLongAsItGoesOn(form: Int) throws {
        try runHTTPLoop {
            var configuration = HTTPServer.Configuration()
            configuration.writeTimeout = .seconds(10)
            let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { _, _ in
                HTTPServerResponse(body: Self.bodies[form])
            }
            onLoop { try await server.run() }
            let stream = try await TCPStream.connect(to: server.localAddress)
            try await stream.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            let begun = EventLoop.current.now
            try await Self.readSlowly(stream, Self.large.count)
            #expect(begun.duration(to: EventLoop.current.now) > .seconds(15))
            stream.close()
            server.beginGracefulShutdown()
        }
    }

    @Test(arguments: 0..<3)
    func aServerThatTakesNoMoreIsLateInTakingTheRequest(form: Int) throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let url = HTTPURL("http://\(listener.localAddress)/")!
            var configuration = HTTPClient.Configuration()
            configuration.readTimeout = .seconds(3)
            let client = HTTPClient(configuration: configuration)
            let error = await #expect(throws: HTTPError.self) {
                _ = try await client.post(url, body: Self.bodies[form])
            }
            #expect(error?.kind == .timeout && error?.phase == .send, "\(error as Any)")
            #expect(error.flatMap(\.elapsed) ?? .zero >= .seconds(3))
            #expect(EventLoop.current.statistics.descriptors == 1)
            listener.close()
        }
    }

    @Test(arguments: 0..<3)
    func theTotalTimeoutEndsAnUploadThatGoesOn(form: Int) throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let peer = onLoop { try await Self.readSlowly(listener.accept(), .max) }
            let url = HTTPURL("http://\(listener.localAddress)/")!
            var configuration = HTTPClient.Configuration()
            configuration.totalTimeout = .seconds(5)
            let client = HTTPClient(configuration: configuration)
            let error = await #expect(throws: HTTPError.self) {
                _ = try await client.post(url, body: Self.bodies[form])
            }
            #expect(error?.kind == .timeout && error?.phase == .total, "\(error as Any)")
            #expect(error.flatMap(\.elapsed) ?? .zero < .seconds(6))
            peer.cancel()
        }
    }

    /// A reader that never has to wait for bytes is not above the limit.
    @Test func theTotalTimeoutEndsADownloadWhoseReaderIsSlow() throws {
        try runHTTPLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in
                HTTPServerResponse(body: .stream { while true { try await $0.write(Self.large) } })
            }
            onLoop { try await server.run() }
            var configuration = HTTPClient.Configuration()
            configuration.totalTimeout = .seconds(5)
            let client = HTTPClient(configuration: configuration)
            let authority = "\(server.localAddress)"
            let request = HTTPClientRequest(.get, HTTPURL("http://\(authority)/")!)
            let begun = EventLoop.current.now
            let error = await #expect(throws: HTTPError.self) {
                try await client.perform(request) { _, body in
                    while try await body.read() != nil, begun.duration(to: EventLoop.current.now) < .seconds(60) {
                        try await sleep(for: .seconds(1))
                    }
                }
            }
            #expect(error?.phase == .total)
            #expect(begun.duration(to: EventLoop.current.now) < .seconds(7))
            server.beginGracefulShutdown()
        }
    }

    // MARK: Writers and readers of bodies

    @Test func aWriterThatIsKeptCannotWriteIntoAnotherExchange() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[ok, ok, ok]])
            let client = HTTPClient()
            let kept = Kept<HTTPBodyWriter>()
            let body = HTTPBody.stream { writer in
                kept.value = writer
                try await writer.write("body")
            }
            _ = try await client.post(server.url, body: body)
            let error = await #expect(throws: HTTPError.self) {
                try await kept.value!.write("GET /forged HTTP/1.1\r\n")
            }
            #expect(error?.kind == .invalidRequest)
            _ = try await client.get(server.url)
            #expect(server.requests.count == 1 && server.requests[0].allSatisfy { !$0.contains("forged") })
            // Nor into whatever has the descriptor's number once the connection is closed.
            await client.shutdown()
            await #expect(throws: HTTPError.self) { try await kept.value!.write("x") }
        }
    }

    @Test func aWriteThatFailsIsTheLast() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let url = HTTPURL("http://\(listener.localAddress)/")!
            let failures = Kept<[HTTPError.Phase?]>()
            var configuration = HTTPClient.Configuration()
            configuration.readTimeout = .seconds(3)
            let client = HTTPClient(configuration: configuration)
            // A producer that does not give up.
            let body = HTTPBody.stream { writer in
                var phases: [HTTPError.Phase?] = []
                while phases.count < 2 {
                    do { try await writer.write(Self.large) } catch let error as HTTPError {
                        phases.append(error.phase)
                    }
                }
                failures.value = phases
            }
            let error = await #expect(throws: HTTPError.self) { _ = try await client.post(url, body: body) }
            #expect(error?.phase == .send)
            #expect(failures.value == [.send, .send])
        }
    }

    @Test func twoTasksCannotWriteOneBodyAtOnce() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            onLoop { try await Self.readSlowly(listener.accept(), .max) }
            let body = HTTPBody.stream { writer in
                try await withThrowingDiscardingTaskGroup { group in
                    for _ in 0..<2 { group.addTask { try await writer.write(Self.large) } }
                }
            }
            let url = HTTPURL("http://\(listener.localAddress)/")!
            let error = await #expect(throws: HTTPError.self) { _ = try await HTTPClient().post(url, body: body) }
            #expect(error?.kind == .invalidRequest)
        }
    }

    @Test func twoTasksCannotReadOneBodyAtOnce() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([["HTTP/1.1 200 OK\r\n\r\n", ok]])
            let request = HTTPClientRequest(.get, HTTPURL("http://\(server.listener.localAddress)/")!)
            let error = await #expect(throws: HTTPError.self) {
                try await HTTPClient().perform(request) { _, body in
                    try await withThrowingDiscardingTaskGroup { group in
                        for _ in 0..<2 { group.addTask { _ = try await body.read() } }
                    }
                }
            }
            #expect(error?.kind == .invalidRequest)
        }
    }
}
