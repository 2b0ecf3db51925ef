import Glibc
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// A client against a server that misbehaves at every byte: afterwards nothing is left, and the next request succeeds.
@Suite(.timeLimit(.minutes(5)))
struct FaultTests {
    private static let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 11\r\n\r\nhello world",
    ]

    /// What the server does after the first part of its answer.
    enum Fault: CaseIterable, Sendable {
        case close, reset, stall, garbage
    }

    /// A server that treats its first connection badly and all others well.
    private func server(_ answer: String, upTo count: Int, _ fault: Fault) throws -> TCPListener {
        let listener = try TCPListener.bind(to: .loopback(port: 0))
        onLoop {
            var isFirst = true
            for try await stream in listener.connections {
                _ = try await stream.read()
                guard isFirst else {
                    try await stream.write(answer)
                    stream.close()
                    continue
                }
                isFirst = false
                try await stream.write(Array(answer.utf8.prefix(count)))
                switch fault {
                case .close: stream.close()
                case .reset: stream.abort()
                case .garbage: try await stream.write("\u{0}\r\n\u{0}\r\nHTTP/1.1 200 OK\r\n\r\n")
                case .stall: _ = try? await stream.read()
                }
            }
        }
        return listener
    }

    @Test(arguments: Fault.allCases)
    func aFaultAtAnyByteIsAnErrorOrAWholeResponseAndLeavesNothing(fault: Fault) throws {
        for answer in Self.answers {
            for count in 0...answer.utf8.count {
                try runHTTPLoop {
                    let listener = try server(answer, upTo: count, fault)
                    var configuration = HTTPClient.Configuration()
                    configuration.firstByteTimeout = .seconds(2)
                    configuration.readTimeout = .seconds(2)
                    let client = HTTPClient(configuration: configuration)
                    let url = HTTPURL("http://\(listener.localAddress)/")!
                    do {
                        let response = try await client.get(url)
                        // Garbage can be the rest of a body whose length is known; nobody can tell.
                        let isWhole = count == answer.utf8.count
                        #expect(isWhole || fault == .garbage && response.body.count == 11, "\(fault) after \(count)")
                        if isWhole { #expect(response.text == "hello world") }
                    } catch let error as HTTPError {
                        #expect(count < answer.utf8.count, "\(fault) after \(count): \(error)")
                    }
                    #expect(try await client.get(url).text == "hello world")
                    await client.shutdown()
                    listener.close()
                    try await sleep(for: .seconds(10))
                    let statistics = EventLoop.current.statistics
                    #expect(statistics.descriptors == 0 && statistics.timers == 0 && statistics.waits == 0)
                }
            }
        }
    }

    /// The task is cancelled after so many steps of the loop, wherever the exchange is then.
    @Test func aCancellationAtAnyStepLeavesNothing() throws {
        for steps in 0..<40 {
            try runHTTPLoop {
                let listener = try server(Self.answers[1], upTo: 0, .stall)
                let client = HTTPClient()
                let url = HTTPURL("http://\(listener.localAddress)/")!
                let task = onLoop { try await client.get(url).text }
                for _ in 0..<steps { try await sleep(for: .nanoseconds(1)) }
                task.cancel()
                await #expect(throws: CancellationError.self) { _ = try await task.value }
                // The first connection may not have been made.
                _ = try? await withTimeout(.seconds(5)) { try await client.get(url) }
                #expect(try await client.get(url).text == "hello world")
                await client.shutdown()
                listener.close()
                try await sleep(for: .seconds(10))
                let statistics = EventLoop.current.statistics
                #expect(statistics.descriptors == 0 && statistics.timers == 0 && statistics.waits == 0)
            }
        }
    }

    /// The server has closed the connection, and the client finds out as it sends a body that takes more than one call.
    @Test(arguments: [HTTPRequest.Method.put, .post])
    func aConnectionThatIsFoundClosedInTheMiddleOfABodyIsReplaced(_ method: HTTPRequest.Method) throws {
        let plan = FaultPlan([.send: [0, 0, EPIPE, EPIPE]])
        try plan.apply {
            try runHTTPLoop {
                let scripted = try ScriptedServer([[ok, ok], [ok]])
                let client = HTTPClient()
                _ = try await client.get(scripted.url)
                let body = HTTPBody.bytes([UInt8](repeating: 1, count: 100_000))
                if method.isIdempotent {
                    let text = try await client.request(method, scripted.url, body: body).text
                    #expect(text == "ok" && scripted.requests.map(\.count) == [1, 1])
                } else {
                    let error = await #expect(throws: HTTPError.self) {
                        _ = try await client.request(method, scripted.url, body: body)
                    }
                    #expect(error?.kind == .connection && scripted.requests.map(\.count) == [1])
                }
            }
        }
        #expect(plan.delivered == 2)
    }
}
