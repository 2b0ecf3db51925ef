import Leat
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@testable import LeatHTTP

/// What an observer is told, and what the metrics count.
@Suite(.timeLimit(.minutes(5)))
struct ObserverTests {
    /// The events as words. Confined to the loop.
    private final class Log: @unchecked Sendable {
        var events: [HTTPClientEvent] = []

        var words: [String] {
            events.map { event in
                let word: String =
                    switch event.kind {
                    case .requestStarted(let method, _): "started \(method)"
                    case .responseHeadReceived(let head): "head \(head.status.code)"
                    case .requestChunkSent(let bytes): "sent \(bytes)"
                    case .responseChunkReceived(let bytes): "received \(bytes)"
                    case .redirected(let url): "redirected \(url.path)"
                    case .requestEnded(let status): "ended \(status.code)"
                    case .requestFailed(let error):
                        "failed \((error as? HTTPError)?.kind == .timeout ? "timeout" : "\(error)")"
                    case .resolved, .resolveStarted, .addressesCached: "\(event.kind)".prefix { $0 != "(" }.description
                    default: "\(event.kind)"
                    }
                return "\(event.request) \(word)"
            }
        }
    }

    private func client(_ log: Log, _ configure: (inout HTTPClient.Configuration) -> Void = { _ in }) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.observer = { log.events.append($0) }
        configure(&configuration)
        return HTTPClient(configuration: configuration)
    }

    @Test func everyStepOfARequestIsTold() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[ok, ok]])
            let log = Log()
            let client = client(log)
            let url = HTTPURL("http://localhost:\(server.listener.localAddress.port)/")!
            _ = try await client.get(url)
            _ = try await client.post(url, body: .text("abc"))
            #expect(
                log.words == [
                    "1 started GET", "1 connectStarted", "1 resolveStarted", "1 resolved", "1 connectionCreated",
                    "1 requestHeadSent", "1 head 200", "1 received 2", "1 ended 200",
                    "2 started POST", "2 connectionReused", "2 requestHeadSent", "2 sent 3", "2 head 200",
                    "2 received 2",
                    "2 ended 200",
                ]
            )
            #expect(zip(log.events, log.events.dropFirst()).allSatisfy { $0.time <= $1.time })
            let metrics = client.metrics
            #expect(metrics.requestsStarted == 2 && metrics.requestsEnded == 2 && metrics.requestsFailed == 0)
            #expect(metrics.connectionsCreated == 1 && metrics.connectionsReused == 1 && metrics.connectionsIdle == 1)
            #expect(metrics.bytesReceived == 2 * ok.utf8.count)
            #expect(metrics.bytesSent == server.requests[0].joined().utf8.count)
            await client.shutdown()
        }
    }

    @Test func redirectsQueuesAndFailuresAreTold() throws {
        try runHTTPLoop {
            let away = "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
            let server = try ScriptedServer([[away, ok], [ok]])
            let log = Log()
            let client = client(log) {
                $0.maximumConnectionsPerHost = 1
                $0.firstByteTimeout = .seconds(1)
            }
            async let first = client.get(server.url)
            async let second = client.get(server.url)
            _ = try await (first, second)
            let words = log.words
            for word in ["1 redirected /there", "2 connectionQueued", "2 connectionDequeued", "2 ended 200"] {
                #expect(words.contains(word), "\(words)")
            }
            log.events.removeAll()
            let silent = try TCPListener.bind(to: .loopback(port: 0))
            await #expect(throws: HTTPError.self) {
                _ = try await client.get(HTTPURL("http://\(silent.localAddress)/")!)
            }
            #expect(log.words.last == "3 failed timeout")
            #expect(client.metrics.requestsFailed == 1 && client.metrics.redirects == 1)
            #expect(client.metrics.connectionsInUse == 0)
            await client.shutdown()
        }
    }

    @Test func streamsAreToldByThePiece() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([
                ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"]
            ])
            let log = Log()
            let client = client(log)
            let body = HTTPBody.stream(length: 4) { writer in
                try await writer.write("12")
                try await writer.write("34")
            }
            let request = HTTPClientRequest(.put, server.url, body: body)
            let text = try await client.perform(request) { _, body in try await body.text(upTo: 100) }
            #expect(text == "abcde")
            #expect(log.words.filter { $0.contains("sent") } == ["1 sent 2", "1 sent 2"])
            #expect(log.words.filter { $0.contains("received") } == ["1 received 3", "1 received 2"])
            #expect(log.words.last == "1 ended 200")
            await client.shutdown()
        }
    }

    @Test func triesAreCounted() throws {
        try runHTTPLoop {
            let busy = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
            let server = try ScriptedServer([[busy, busy, ok]])
            let client = HTTPClient()
            let response = try await client.execute(HTTPClientRequest(.get, server.url), retry: RetryPolicy(retries: 3))
            #expect(response.status == .ok)
            #expect(client.metrics.retries == 2 && client.metrics.requestsStarted == 3)
            await client.shutdown()
        }
    }
}
