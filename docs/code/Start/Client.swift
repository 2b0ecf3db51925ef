// The code of docs/guides/http-client.md.
import Leat

func item(_ client: HTTPClient, _ url: HTTPURL) async throws -> String {
    let response = try await client.get(url, headerFields: [.acceptLanguage: "en"])
    guard response.status.kind == .successful else { return "no item: \(response.status)" }
    return response.text
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

func inBulk(_ client: HTTPClient, _ base: HTTPURL) async throws {
    let requests = (0..<500).lazy.map { HTTPClientRequest(.get, base.appending(queryItems: [("n", "\($0)")])) }
    let batch = client.batch(requests, concurrency: 50, retry: RetryPolicy(retries: 4))
    for try await result in batch {
        guard case .failure(let error) = result.response else { continue }
        print(result.request.url, "failed after", result.attempts, "tries:", error)
    }
    print("\(batch.progress.finished) finished, \(batch.progress.failed) failed")
}
