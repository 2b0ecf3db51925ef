import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@Suite(.timeLimit(.minutes(5)))
struct TimeoutTests {
    /// The phase in which a request runs out of time, and how long it had taken then.
    private func timeout(
        of body: (HTTPClient) async throws -> Void,
        _ configure: (inout HTTPClient.Configuration) -> Void
    ) async -> (HTTPError.Phase?, Duration?) {
        var configuration = HTTPClient.Configuration()
        configure(&configuration)
        let client = HTTPClient(configuration: configuration)
        do {
            try await body(client)
            return (nil, nil)
        } catch let error as HTTPError {
            #expect(error.kind == .timeout, "\(error)")
            return (error.phase, error.elapsed)
        } catch {
            Issue.record("\(error)")
            return (nil, nil)
        }
    }

    @Test func aServerThatNeverAnswersIsLateWithItsFirstByte() throws {
        try runHTTPLoop {
            let server = try TCPListener.bind(to: .loopback(port: 0))
            let url = HTTPURL("http://\(server.localAddress)/")!
            let (phase, elapsed) = await timeout(of: { _ = try await $0.get(url) }) {
                $0.firstByteTimeout = .seconds(5)
                $0.readTimeout = .seconds(2)
            }
            #expect(phase == .firstByte && elapsed! >= .seconds(5) && elapsed! < .seconds(6))
        }
    }

    @Test func aServerThatStopsInTheMiddleIsLateInReading() throws {
        try runHTTPLoop {
            for half in ["HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"] {
                let server = try ScriptedServer([[half, ok]])
                let (phase, elapsed) = await timeout(of: { _ = try await $0.get(server.url) }) {
                    $0.firstByteTimeout = .seconds(60)
                    $0.readTimeout = .seconds(2)
                }
                #expect(phase == .read && elapsed! >= .seconds(2) && elapsed! < .seconds(3))
            }
        }
    }

    @Test func theTotalTimeoutIsForAllOfARequest() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([["HTTP/1.1 200 OK\r\n\r\nab", ok]])
            let (phase, elapsed) = await timeout(of: { _ = try await $0.get(server.url) }) {
                $0.totalTimeout = .seconds(3)
            }
            #expect(phase == .total && elapsed! >= .seconds(3) && elapsed! < .seconds(4))
        }
    }

    @Test func aRequestThatFindsEveryConnectionBusyWaitsNoLongerThanItShould() throws {
        try runHTTPLoop {
            let server = try TCPListener.bind(to: .loopback(port: 0))
            let url = HTTPURL("http://\(server.localAddress)/")!
            let (phase, elapsed) = await timeout(of: { client in
                let holder = onLoop { _ = try await client.get(url) }
                await Task.yield()
                defer { holder.cancel() }
                _ = try await client.get(url)
            }) {
                $0.maximumConnectionsPerHost = 1
                $0.poolTimeout = .seconds(4)
            }
            #expect(phase == .pool && elapsed! >= .seconds(4) && elapsed! < .seconds(5))
        }
    }

    @Test func aServerThatReadsNothingIsLateInTakingTheRequest() throws {
        try runHTTPLoop {
            let server = try TCPListener.bind(to: .loopback(port: 0))
            let url = HTTPURL("http://\(server.localAddress)/")!
            let body = HTTPBody.bytes([UInt8](repeating: 1, count: 32 << 20))
            let (phase, _) = await timeout(of: { _ = try await $0.post(url, body: body) }) {
                $0.readTimeout = .seconds(3)
            }
            #expect(phase == .send)
        }
    }

    @Test func aDeadlineAroundARequestEndsIt() throws {
        try runHTTPLoop {
            let server = try TCPListener.bind(to: .loopback(port: 0))
            let url = HTTPURL("http://\(server.localAddress)/")!
            let client = HTTPClient()
            await #expect(throws: TimeoutError.self) {
                try await withTimeout(.seconds(1)) { try await client.get(url) }
            }
            // The loop's own: the listener. The connection is closed.
            #expect(EventLoop.current.statistics.descriptors == 1)
            server.close()
        }
    }
}
