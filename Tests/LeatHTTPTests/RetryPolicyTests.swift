import Leat
import Testing

@testable import LeatHTTP

@Suite struct RetryPolicyTests {
    private func request(_ method: HTTPRequest.Method) -> HTTPClientRequest {
        HTTPClientRequest(method, "http://h.test/")
    }

    @Test func retriesFollowTheMethodAndTheStatus() {
        let policy = RetryPolicy(retries: 4)
        #expect(policy.retries(500, to: request(.get)) && policy.retries(503, to: request(.post)))
        #expect(policy.retries(408, to: request(.put)) && policy.retries(429, to: request(.patch)))
        #expect(!policy.retries(500, to: request(.post)) && !policy.retries(404, to: request(.get)))
        #expect(policy.retries(HTTPError(.connect, ""), to: request(.post)))
        #expect(!policy.retries(HTTPError(.incomplete, ""), to: request(.post)))
        #expect(policy.retries(HTTPError(.incomplete, ""), to: request(.get)))
        #expect(!policy.retries(HTTPError(.invalidRequest, ""), to: request(.get)))
        #expect(!policy.retries(CancellationError(), to: request(.get)))
    }

    @Test func aWaitIsRandomUpToABoundThatDoubles() {
        let policy = RetryPolicy(retries: 4)
        var generator = SystemRandomNumberGenerator()
        for attempt in 1...40 {
            let wait = policy.wait(after: attempt, retryAfter: nil, using: &generator)!
            #expect(wait >= .zero && wait <= .seconds(min(30, 0.25 * Double(1 << min(attempt - 1, 20)))))
        }
        #expect(policy.wait(after: 1, retryAfter: .seconds(7), using: &generator) == .seconds(7))
        #expect(policy.wait(after: 1, retryAfter: .seconds(9999), using: &generator) == nil)
    }

    @Test func retryAfterIsSecondsOrADate() {
        func read(_ text: String) -> Duration? {
            RetryPolicy.retryAfter([.retryAfter: text], secondsSince1970: 1_000_000)
        }
        #expect(read("12") == .seconds(12))
        #expect(read(HTTPDate.format(1_000_060)) == .seconds(60))
        #expect(read(HTTPDate.format(999_000)) == .zero)
        #expect(read("99999999999999999999999") != nil)
        #expect(read("soon") == nil && read("-1") == nil && read("") == nil)
    }
}
