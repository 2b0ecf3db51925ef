// The code of docs/guides/http-client.md.
import Leat

func session() throws -> HTTPClient {
    var configuration = HTTPClient.Configuration()
    configuration.defaultHeaderFields = [.acceptLanguage: "en"]
    try configuration.defaultHeaderFields.setBearerAuthorization("mF_9.B5f-4.1JqM")
    configuration.cookies = CookieJar()
    configuration.redirects.limit = 5
    configuration.totalTimeout = .seconds(30)
    configuration.firstByteTimeout = .seconds(5)
    configuration.maximumConnectionsPerHost = 20
    return HTTPClient(configuration: configuration)
}

func addresses(_ base: HTTPURL) throws {
    let item = try base.resolving("../items/7")
    let search = try base.resolving("/search").appending(queryItems: [("q", "water mill"), ("page", "2")])
    print(item.path, search.path)
}

func whatWentWrong(_ client: HTTPClient, _ url: HTTPURL) async {
    do {
        let response = try await client.get(url)
        print(response.status, response.url, response.history.count)
    } catch let error as HTTPError where error.kind == .timeout {
        print("too slow while waiting for:", error.phase?.rawValue ?? "", error.elapsed ?? .zero)
    } catch let error as HTTPError where error.kind == .tls {
        print("no trust:", error)
    } catch {
        print(error)
    }
}

func again(_ client: HTTPClient, _ url: HTTPURL) async throws {
    var policy = RetryPolicy(retries: 4)
    policy.budget = RetryBudget(ratio: 0.2)
    let response = try await client.execute(HTTPClientRequest(.get, url), retry: policy)
    print("after retries:", response.status)
}

func inBulk(_ client: HTTPClient, _ base: HTTPURL) async throws {
    let requests = (0..<500).lazy.map { HTTPClientRequest(.get, base.appending(queryItems: [("n", "\($0)")])) }
    let batch = client.batch(requests, concurrency: 50, retry: RetryPolicy(retries: 4))
    for try await result in batch {
        guard case .failure(let error) = result.response else { continue }
        print(result.request.url, "failed after", result.attempts, "tries:", error)
    }
    print("\(batch.progress.finished) finished, \(batch.progress.failed) failed")
}

func withAChecksum(_ client: HTTPClient, _ url: HTTPURL, _ pieces: [[UInt8]]) async throws {
    let body = HTTPBody.stream { writer in
        var sum: UInt32 = 0
        for piece in pieces {
            for byte in piece { sum = sum &* 31 &+ UInt32(byte) }
            try await writer.write(piece)
        }
        try writer.addTrailers([HTTPField.Name("X-Checksum")!: "\(sum)"])
    }
    let response = try await client.post(url, headerFields: [.trailer: "X-Checksum"], body: body)
    print("trailers of the response:", response.trailers)
}

func asTheyCome(_ client: HTTPClient, _ url: HTTPURL) async throws {
    let request = HTTPRequest(method: .get, scheme: url.scheme, authority: url.authority, path: url.path)
    try await client.perform(request) { response, body in
        for try await line in body.lines() { print("line:", line) }
    }
}
