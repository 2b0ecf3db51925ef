import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ClientTests {
    @Test(arguments: [false, true])
    func everyFramingOfABodyIsUnderstood(splitting: Bool) throws {
        try runHTTPLoop {
            let answers = [
                ok,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-End: 1\r\n\r\n",
                "HTTP/1.1 204 No Content\r\n\r\n",
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nz",
                "HTTP/1.1 200 OK\r\n\r\nuntil the end",
            ]
            let server = try ScriptedServer([answers], splitting: splitting)
            let client = HTTPClient()
            var bodies: [String] = []
            for _ in answers { bodies.append(try await client.get(server.url).text) }
            #expect(bodies == ["ok", "abcde", "", "z", "until the end"])
            // All on one connection.
            #expect(server.requests.map(\.count) == [5])
            await client.shutdown()
        }
    }

    @Test func aHeadRequestHasNoBodyWhateverItsFieldsSay() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([["HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", ok]])
            let client = HTTPClient()
            #expect(try await client.request(.head, server.url).body.isEmpty)
            #expect(try await client.get(server.url).text == "ok")
        }
    }

    @Test func theRequestIsWhatItShouldBe() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[ok]])
            let client = HTTPClient()
            _ = try await client.post(server.url, headerFields: [.contentType: "text/plain"], body: .text("hi"))
            let lines = server.requests[0][0].split(separator: "\r\n").map(String.init)
            #expect(lines[0] == "POST /path HTTP/1.1")
            #expect(lines[1] == "Host: \(server.listener.localAddress)")
            #expect(
                Set(lines[2...]) == [
                    "Content-Type: text/plain", "Accept: */*", "Accept-Encoding: gzip, deflate", "User-Agent: leat",
                    "Content-Length: 2", "hi",
                ]
            )
        }
    }

    @Test func aConnectionThatTheServerClosesIsNotUsedAgain() throws {
        try runHTTPLoop {
            let last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            let old = "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"
            let server = try ScriptedServer([[last], [old], [ok]])
            let client = HTTPClient()
            for _ in 0..<3 { _ = try await client.get(server.url) }
            #expect(server.requests.map(\.count) == [1, 1, 1])
        }
    }

    @Test func aStaleConnectionIsReplacedForAGetAndReportedForAPost() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[ok, ""], [ok, ""], [ok]])
            let client = HTTPClient()
            #expect(try await client.get(server.url).text == "ok")
            #expect(try await client.get(server.url).text == "ok")
            let error = await #expect(throws: HTTPError.self) {
                _ = try await client.post(server.url, body: .text("x"))
            }
            #expect(error?.kind == .incomplete)
        }
    }

    @Test func bytesThatArriveOnAnIdleConnectionPoisonIt() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            onLoop {
                for number in 0..<2 {
                    let stream = try await listener.accept()
                    _ = try await stream.read()
                    try await stream.write(ok)
                    if number == 0 {
                        // Nobody asked for this one.
                        try await sleep(for: .milliseconds(10))
                        try await stream.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
                    }
                }
            }
            let client = HTTPClient()
            let url = HTTPURL("http://\(listener.localAddress)/")!
            #expect(try await client.get(url).text == "ok")
            try await sleep(for: .seconds(1))
            #expect(try await client.get(url).text == "ok")
        }
    }

    @Test func aResponseInDoubtClosesItsConnection() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([
                [ok + "extra"],
                ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", ""],
                ["HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"],
                [ok],
            ])
            let client = HTTPClient()
            #expect(try await client.get(server.url).text == "ok")
            let truncated = await #expect(throws: HTTPError.self) {
                _ = try await withTimeout(.seconds(900)) { try await client.get(server.url) }
            }
            #expect(truncated?.kind == .timeout || truncated?.kind == .incomplete || truncated?.kind == .malformed)
            let malformed = await #expect(throws: HTTPError.self) { _ = try await client.get(server.url) }
            #expect(malformed?.kind == .malformed)
            #expect(try await client.get(server.url).text == "ok")
            #expect(server.requests.map(\.count) == [1, 1, 1, 1])
        }
    }

    @Test func aCancelledRequestThrowsAtOnceAndLeavesNothing() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let accepted = onLoop { try await listener.accept() }
            let client = HTTPClient()
            let url = HTTPURL("http://\(listener.localAddress)/")!
            let task = onLoop { try await client.get(url) }
            let stream = try await accepted.value
            _ = try await stream.read()
            task.cancel()
            await #expect(throws: CancellationError.self) { _ = try await task.value }
            // The other end sees the connection close.
            #expect(try await stream.read() == nil)
            stream.close()
            listener.close()
            #expect(EventLoop.current.statistics.descriptors == 0)
            #expect(EventLoop.current.statistics.waits == 0)
        }
    }

    @Test func requestsBeyondTheLimitWaitInOrderAndTheLimitHolds() throws {
        try runHTTPLoop {
            let most = Counter()
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in
                most.enter()
                try await sleep(for: .milliseconds(10))
                most.leave()
                return HTTPServerResponse(body: .text("ok"))
            }
            let serving = onLoop { try await server.run() }
            var configuration = HTTPClient.Configuration()
            configuration.maximumConnectionsPerHost = 3
            let client = HTTPClient(configuration: configuration)
            let url = HTTPURL("http://\(server.localAddress)/")!
            let results = try await (0..<50).concurrentMap(limit: 50) { _ in try await client.get(url).text }
            #expect(results == [String](repeating: "ok", count: 50))
            #expect(most.most == 3)
            await client.shutdown()
            server.beginGracefulShutdown()
            _ = try await serving.value
        }
    }

    @Test func aBodyOverTheLimitIsRefused() throws {
        try runHTTPLoop {
            let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n"
            let server = try ScriptedServer([["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"], [chunked]])
            let client = HTTPClient()
            for _ in 0..<2 {
                let error = await #expect(throws: HTTPError.self) {
                    _ = try await client.request(.get, server.url, upTo: 7)
                }
                #expect(error?.kind == .bodyTooLarge)
            }
        }
    }

    @Test func nothingThatTheCallerWritesCanEndALine() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[ok]])
            let client = HTTPClient()
            let error = await #expect(throws: HTTPError.self) {
                _ = try await client.get(server.url, headerFields: [.accept: "a\r\nX-Injected: b"])
            }
            #expect(error?.kind == .invalidRequest)
            // Nothing was sent, and the connection is still good.
            #expect(try await client.get(server.url).text == "ok")
            #expect(server.requests.map(\.count) == [1])
        }
    }

    @Test func aRefusedConnectionNamesTheAddress() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let url = HTTPURL("http://\(listener.localAddress)/")!
            listener.close()
            let error = await #expect(throws: HTTPError.self) { _ = try await HTTPClient().get(url) }
            #expect(error?.kind == .connect)
            #expect(error?.description.contains("Connection refused") == true)
        }
    }
}

/// Counts how many are somewhere at once.
final class Counter: @unchecked Sendable {
    private var inside = 0
    private(set) var most = 0

    func enter() {
        inside += 1
        most = max(most, inside)
    }

    func leave() { inside -= 1 }
}
