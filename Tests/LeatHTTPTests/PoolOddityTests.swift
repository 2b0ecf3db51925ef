import Leat
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@testable import LeatHTTP

/// Servers that answer unasked, origins that are forgotten, connections that are too old: what a pool must not fall for.
@Suite(.timeLimit(.minutes(5)))
struct PoolOddityTests {
    private func client(_ configure: (inout HTTPClient.Configuration) -> Void) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configure(&configuration)
        return HTTPClient(configuration: configuration)
    }

    /// The head of the answer is there before the request is sent, and what follows would be the next one's.
    @Test func aServerThatAnswersUnaskedSpoilsNoLaterRequest() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            onLoop {
                for try await stream in listener.connections {
                    try await stream.write("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n")
                    onLoop {
                        while try await stream.read() != nil { try await stream.write(ok) }
                    }
                }
            }
            let client = client { $0.firstByteTimeout = .seconds(1) }
            let url = HTTPURL("http://\(listener.localAddress)/")!
            await #expect(throws: HTTPError.self) { _ = try await client.request(.get, url, upTo: 10) }
            #expect(client.metrics.connectionsIdle == 0)
            // The same again, and never another status.
            let error = await #expect(throws: HTTPError.self) { _ = try await client.request(.get, url, upTo: 10) }
            #expect(error?.kind == .bodyTooLarge)
            await client.shutdown()
            listener.close()
        }
    }

    /// While a request waits for its turn, the pool cleans up.
    @Test func anOriginIsNotForgottenWhileARequestWaitsForItsTurn() throws {
        try runHTTPLoop {
            let (first, second) = (try ScriptedServer([[ok], [ok]]), try ScriptedServer([[ok]]))
            let client = client {
                $0.maximumConnections = 1
                $0.idleTimeout = .milliseconds(200)
                $0.poolTimeout = .seconds(2)
                $0.rateLimiter = RateLimiter(perSecond: 1)
            }
            _ = try await client.get(first.url)
            _ = try await client.get(second.url)
            #expect(client.metrics.connectionsIdle == 1 && client.metrics.connectionsInUse == 0)
            _ = try await client.get(first.url)
            await client.shutdown()
            #expect(client.metrics.connectionsInUse == 0)
        }
    }

    @Test func aConnectionIsIdleNoLongerThanAllowed() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[ok, ok, ok], [ok]])
            let client = client { $0.idleTimeout = .seconds(1) }
            _ = try await client.get(server.url)
            try await sleep(for: .milliseconds(100))
            _ = try await client.get(server.url)
            try await sleep(for: .milliseconds(1050))
            #expect(client.metrics.connectionsIdle == 0)
            _ = try await client.get(server.url)
            #expect(client.metrics.connectionsCreated == 2)
            await client.shutdown()
        }
    }

    /// A task that was started under a deadline and not awaited is not bound by it once that is over.
    @Test func aScopeThatIsOverBindsNobody() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[ok]])
            let client = client { _ in }
            let url = server.url
            let task = try await withTimeout(.milliseconds(100)) {
                onLoop {
                    try await sleep(for: .milliseconds(300))
                    #expect(EventLoop.currentDeadline == nil)
                    return try await client.get(url).text
                }
            }
            // Another scope meanwhile, which has nothing to do with it.
            let text = try await withTimeout(.seconds(10)) { try await task.value }
            #expect(text == "ok")
            await client.shutdown()
        }
    }
}
