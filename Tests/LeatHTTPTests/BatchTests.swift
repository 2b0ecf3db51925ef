import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// What a server has seen. Touched on one loop only.
private final class Seen: @unchecked Sendable {
    var underWay = 0
    var most = 0
    var count = 0
    var perPath: [String: Int] = [:]
}

@Suite(.timeLimit(.minutes(5)))
struct BatchTests {
    /// A server that takes a second; `/n?k` answers 503 to its first k requests.
    private func server(_ seen: Seen) throws -> HTTPServer {
        let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, _ in
            seen.underWay += 1
            seen.count += 1
            seen.most = max(seen.most, seen.underWay)
            defer { seen.underWay -= 1 }
            try await sleep(for: .seconds(1))
            let path = request.path!
            seen.perPath[path, default: 0] += 1
            let failures = path.split(separator: "?").dropFirst().first.flatMap { Int($0) } ?? 0
            if seen.perPath[path]! <= failures { return HTTPServerResponse(status: .serviceUnavailable) }
            return HTTPServerResponse(body: .text(path))
        }
        onLoop { try await server.run() }
        return server
    }

    private func requests(_ server: HTTPServer, _ paths: [String]) -> [HTTPClientRequest] {
        paths.map { HTTPClientRequest(.get, HTTPURL("http://\(server.localAddress)\($0)")!) }
    }

    @Test func everyRequestHasOneResultAndNoMoreAreUnderWayThanMayBe() throws {
        try runHTTPLoop {
            let seen = Seen()
            let server = try server(seen)
            let paths = (0..<200).map { "/\($0)" }
            let batch = HTTPClient().batch(requests(server, paths), concurrency: 7)
            var indices: [Int] = []
            for try await result in batch {
                #expect(try result.response.get().text == paths[result.index])
                #expect(result.attempts == 1 && result.duration >= .seconds(1))
                indices.append(result.index)
            }
            #expect(indices.sorted() == Array(0..<200))
            #expect(seen.most == 7)
            #expect(batch.progress.begun == 200 && batch.progress.finished == 200 && batch.progress.failed == 0)
        }
    }

    @Test func resultsComeInTheOrderOfTheInputIfThatIsAskedFor() throws {
        try runHTTPLoop {
            let server = try server(Seen())
            // Every third is late, for it has to be tried again.
            let paths = (0..<60).map { $0 % 3 == 0 ? "/\($0)?2" : "/\($0)" }
            let client = HTTPClient()
            var indices: [Int] = []
            let batch = client.batch(
                requests(server, paths),
                concurrency: 5,
                retry: RetryPolicy(retries: 4),
                order: .input
            )
            for try await result in batch {
                indices.append(result.index)
                #expect(result.attempts == (result.index % 3 == 0 ? 3 : 1))
                #expect(try result.response.get().status == .ok)
            }
            #expect(indices == Array(0..<60))
            #expect(batch.progress.retries == 40)
        }
    }

    @Test func anEndlessInputIsReadAsItIsNeeded() throws {
        try runHTTPLoop {
            let seen = Seen()
            let server = try server(seen)
            let url = HTTPURL("http://\(server.localAddress)/")!
            let taken = Seen()
            let endless = sequence(first: 0) { $0 + 1 }.lazy.map { _ in
                taken.count += 1
                return HTTPClientRequest(.get, url)
            }
            let client = HTTPClient()
            var results = 0
            for try await _ in client.batch(endless, concurrency: 3) {
                results += 1
                #expect(taken.count <= results + 3 + 16)
                if results == 50 { break }
            }
            // The loop over the results was left: nothing goes on.
            try await sleep(for: .seconds(5))
            #expect(taken.count <= 50 + 3 + 16 && seen.underWay == 0)
            await client.shutdown()
        }
    }

    @Test func aRequestThatWaitsForItsNextTryKeepsNoOtherFromBeingSent() throws {
        try runHTTPLoop {
            let server = try server(Seen())
            var policy = RetryPolicy(retries: 1)
            policy.baseDelay = .seconds(1000)
            policy.maximumDelay = .seconds(1000)
            let loop = EventLoop.current
            let begun = loop.now
            var others: Duration?
            let paths = ["/late?1"] + (0..<5).map { "/\($0)" }
            for try await result in HTTPClient().batch(requests(server, paths), concurrency: 1, retry: policy) {
                if result.index == 5 { others = begun.duration(to: loop.now) }
            }
            #expect(others! < .seconds(8))
        }
    }

    @Test func anInputThatWaitsForItsResultsGetsThem() throws {
        try runHTTPLoop {
            let server = try server(Seen())
            let client = HTTPClient()
            let answered = AsyncSemaphore(value: 1)
            let input = AsyncStream<HTTPClientRequest>.makeStream()
            onLoop {
                for number in 0..<5 {
                    try await answered.acquire()
                    input.continuation.yield(
                        HTTPClientRequest(.get, HTTPURL("http://\(server.localAddress)/\(number)")!)
                    )
                }
                try await answered.acquire()
                input.continuation.finish()
            }
            var results: [Int] = []
            for try await result in client.batch(input.stream, concurrency: 10) {
                results.append(result.index)
                answered.release()
            }
            #expect(results == [0, 1, 2, 3, 4])
        }
    }

    @Test func aCancelledBatchLeavesNothingBehind() throws {
        try runHTTPLoop {
            let server = try TCPListener.bind(to: .loopback(port: 0))
            let client = HTTPClient()
            let url = HTTPURL("http://\(server.localAddress)/")!
            let task = onLoop {
                for try await _ in client.batch((0..<100).map { _ in HTTPClientRequest(.get, url) }, concurrency: 20) {}
            }
            try await sleep(for: .seconds(1))
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            try await sleep(for: .seconds(1))
            server.close()
            let statistics = EventLoop.current.statistics
            #expect(statistics.descriptors == 0 && statistics.timers == 0 && statistics.waits == 0)
        }
    }

    // MARK: Retries

    @Test func aRefusedConnectionIsTriedAgain() throws {
        try runHTTPLoop {
            let dead = try TCPListener.bind(to: .loopback(port: 0))
            let url = HTTPURL("http://\(dead.localAddress)/")!
            dead.close()
            let client = HTTPClient()
            var attempts: Int?
            let request = HTTPClientRequest(.post, url, body: .text("x"))
            for try await result in client.batch([request], concurrency: 1, retry: RetryPolicy(retries: 3)) {
                attempts = result.attempts
                #expect(throws: HTTPError.self) { try result.response.get() }
            }
            #expect(attempts == 4)
        }
    }

    @Test func aStreamedBodyIsNeverSentTwice() throws {
        try runHTTPLoop {
            let seen = Seen()
            let server = try server(seen)
            let body = HTTPBody.stream { try await $0.write("once") }
            let request = HTTPClientRequest(.put, HTTPURL("http://\(server.localAddress)/x?1")!, body: body)
            let response = try await HTTPClient().execute(request, retry: RetryPolicy(retries: 4))
            #expect(response.status == .serviceUnavailable && seen.count == 1)
        }
    }

    @Test func aPostIsTriedAgainOnlyIfTheServerDidNotActOnIt() throws {
        try runHTTPLoop {
            let unavailable = "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
            let broken = "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"
            let server = try ScriptedServer([[unavailable, broken, ok]])
            let request = HTTPClientRequest(.post, server.url, body: .text("x"))
            let response = try await HTTPClient().execute(request, retry: RetryPolicy(retries: 4))
            #expect(response.status.code == 500 && server.requests[0].count == 2)
        }
    }

    @Test func retryAfterIsHonoured() throws {
        try runHTTPLoop {
            let busy = "HTTP/1.1 429 X\r\nRetry-After: 42\r\nContent-Length: 0\r\n\r\n"
            let tooBusy = "HTTP/1.1 429 X\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n"
            let server = try ScriptedServer([[busy, ok], [tooBusy]])
            let loop = EventLoop.current
            let begun = loop.now
            let request = HTTPClientRequest(.get, server.url)
            _ = try await HTTPClient().execute(request, retry: RetryPolicy(retries: 1))
            #expect(begun.duration(to: loop.now) >= .seconds(42) && begun.duration(to: loop.now) < .seconds(43))
            // Longer than is honoured: the answer is returned.
            let response = try await HTTPClient().execute(request, retry: RetryPolicy(retries: 1))
            #expect(response.status.code == 429)
        }
    }

    @Test func aBudgetBoundsRetriesToAShareOfTheRequests() throws {
        try runHTTPLoop {
            let seen = Seen()
            let server = try server(seen)
            var policy = RetryPolicy(retries: 3)
            policy.budget = RetryBudget(ratio: 0.1, reserve: 5)
            let requests = requests(server, (0..<100).map { "/\($0)?1000" })
            for try await _ in HTTPClient().batch(requests, concurrency: 10, retry: policy) {}
            #expect(seen.count > 100 && seen.count <= 100 + 5 + 10)
        }
    }
}
