import Glibc
import LeatLoop
import LeatReactor

extension HTTPClient {
    /// Sends a request, and again as long as `retry` says so; see ``request(_:_:headerFields:body:upTo:)``.
    ///
    /// - Parameters:
    ///   - retry: When to try again; by default the configuration's.
    ///   - maximum: The largest body that is accepted, in bytes; by default the configuration's.
    /// - Returns: The last response, which may have a status that was worth a retry had there been one left.
    /// - Throws: The error of the last try, or `CancellationError`.
    public func execute(
        _ request: HTTPClientRequest,
        retry: RetryPolicy? = nil,
        upTo maximum: Int? = nil
    ) async throws -> HTTPClientResponse {
        var attempts = 0
        return try await execute(request, retry ?? configuration.retry, upTo: maximum, batch: nil, &attempts)
    }

    /// Tries until there is an answer that is worth keeping, or there are no tries left. Each try takes a place in
    /// the batch, if it belongs to one; a wait between two takes none.
    func execute(
        _ request: HTTPClientRequest,
        _ policy: RetryPolicy,
        upTo maximum: Int?,
        batch: BatchRun.Member?,
        _ attempts: inout Int
    ) async throws -> HTTPClientResponse {
        var generator = SystemRandomNumberGenerator()
        policy.budget?.earn()
        while true {
            attempts += 1
            let outcome = try await attempt(request, upTo: maximum, batch)
            guard attempts <= policy.retries, let wait = wait(after: attempts, outcome, request, policy, &generator),
                hasTime(for: wait), policy.budget?.spend() ?? true
            else { return try outcome.get() }
            try await sleep(for: wait)
            pool.metrics.retries += 1
        }
    }

    /// Whether a wait ends before the deadline of a ``withDeadline(_:_:)`` around it. If it does not, the outcome is known now.
    private func hasTime(for wait: Duration) -> Bool {
        loop.scopedDeadline.map { loop.clock.now.advanced(by: wait) < $0 } ?? true
    }

    private func attempt(
        _ request: HTTPClientRequest,
        upTo maximum: Int?,
        _ batch: BatchRun.Member?
    ) async throws -> Result<HTTPClientResponse, any Error> {
        try await batch?.enter()
        defer { batch?.leave() }
        do {
            return .success(
                try await self.request(
                    request.method,
                    request.url,
                    headerFields: request.headerFields,
                    body: request.body,
                    upTo: maximum
                )
            )
        } catch {
            return .failure(error)
        }
    }

    /// How long to wait before the next try; nil if there is to be none.
    private func wait(
        after attempts: Int,
        _ outcome: Result<HTTPClientResponse, any Error>,
        _ request: HTTPClientRequest,
        _ policy: RetryPolicy,
        _ generator: inout SystemRandomNumberGenerator
    ) -> Duration? {
        switch outcome {
        case .success(let response):
            guard policy.retries(response.status.code, to: request) else { return nil }
            let retryAfter = RetryPolicy.retryAfter(response.headerFields, secondsSince1970: time(nil))
            return policy.wait(after: attempts, retryAfter: retryAfter, using: &generator)
        case .failure(let error):
            guard policy.retries(error, to: request) else { return nil }
            return policy.wait(after: attempts, retryAfter: nil, using: &generator)
        }
    }
}
