// The code of docs/guides/timeouts-and-retries.md: `swift run doc-client timeouts`.
import Leat

func impatient() -> HTTPClient {
    var configuration = HTTPClient.Configuration()
    configuration.connectTimeout = .seconds(2)
    configuration.firstByteTimeout = .seconds(5)
    configuration.totalTimeout = .seconds(30)
    return HTTPClient(configuration: configuration)
}

func whichTimeout(_ client: HTTPClient, _ url: HTTPURL) async throws {
    do {
        print(try await client.get(url).status)
    } catch let error as HTTPError where error.kind == .timeout {
        print("too slow:", error.phase!.rawValue, "after", error.elapsed!)
        print(error)
    }
}

func twoRequests(_ client: HTTPClient, _ first: HTTPURL, _ second: HTTPURL) async throws {
    do {
        try await withTimeout(.seconds(3)) {
            print(try await client.get(first).status)
            print(try await client.get(second).status)
        }
    } catch let error as TimeoutError {
        print(error.detail ?? "no request was under way")
    }
}

func again(_ client: HTTPClient, _ url: HTTPURL) async throws {
    let response = try await client.execute(HTTPClientRequest(.get, url), retry: RetryPolicy(retries: 4))
    print("after retries:", response.status)
}

func carefully() -> RetryPolicy {
    var policy = RetryPolicy(retries: 6)
    policy.baseDelay = .milliseconds(100)
    policy.maximumDelay = .seconds(5)
    policy.statuses = [429, 503]
    policy.methods.insert(.patch)
    policy.budget = RetryBudget(ratio: 0.1, reserve: 20)
    return policy
}

func inTime(_ client: HTTPClient, _ url: HTTPURL) async throws {
    let start = EventLoop.current.now
    let response = try await withTimeout(.seconds(30)) {
        try await client.execute(HTTPClientRequest(.get, url), retry: RetryPolicy(retries: 4))
    }
    print(response.status, "after", start.duration(to: EventLoop.current.now))
}

func slowly(_ urls: [HTTPURL]) async throws {
    var configuration = HTTPClient.Configuration()
    configuration.rateLimiter = RateLimiter(perSecond: 50, burst: 10)
    configuration.requestsPerSecondPerHost = 5
    let client = HTTPClient(configuration: configuration)
    let start = EventLoop.current.now
    _ = try await urls.concurrentMap(limit: 20) { try await client.get($0).status }
    print(urls.count, "requests took", start.duration(to: EventLoop.current.now))
}

func timeouts() async throws {
    let (listener, silent) = try silentServer()
    let tries = Tries()
    try await serving { request, _ in
        if request.uri.path == "/busy" {
            return HTTPServerResponse(status: .serviceUnavailable, headerFields: [.retryAfter: "120"])
        }
        return HTTPServerResponse(status: tries.next() == 3 ? .ok : .badGateway)
    } _: { base in
        let client = impatient()
        try await whichTimeout(client, silent)
        try await twoRequests(client, base, silent)
        try await again(client, base)
        try await inTime(client, base.resolving("/busy"))
        let response = try await client.execute(HTTPClientRequest(.get, base), retry: carefully())
        print("as it was:", response.status)
        try await slowly((0..<11).map { base.appending(queryItems: [("n", "\($0)")]) })
    }
    listener.close()
}

/// How many times the server was asked.
private final class Tries: @unchecked Sendable {
    private var count = 0

    func next() -> Int {
        count += 1
        return count
    }
}
