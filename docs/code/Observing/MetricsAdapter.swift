// For swift-metrics, this file begins with `import Metrics`.
import Leat

/// Counts and times the requests of a client. Confined to its loop.
final class HTTPClientMeter: @unchecked Sendable {
    private let failures = Counter(label: "http_client_failures")
    private let duration = Timer(label: "http_client_request_duration")
    private let inUse = Gauge(label: "http_client_connections_in_use")
    private let waiting = Gauge(label: "http_client_requests_waiting")
    private var responses: [Int: Counter] = [:]
    private var begun: [Int: LoopInstant] = [:]

    /// To be the client's observer.
    func note(_ event: HTTPClientEvent) {
        switch event.kind {
        case .requestStarted:
            begun[event.request] = event.time
        case .requestEnded(let status):
            counter(for: status.code / 100).increment()
            end(event)
        case .requestFailed:
            failures.increment()
            end(event)
        default:
            break
        }
    }

    /// Records now and then what has no events. Runs until its task is cancelled.
    func poll(_ client: HTTPClient, every interval: Duration) async throws {
        while true {
            inUse.record(client.metrics.connectionsInUse)
            waiting.record(client.metrics.requestsWaiting)
            try await sleep(for: interval)
        }
    }

    private func counter(for hundreds: Int) -> Counter {
        let counter =
            responses[hundreds] ?? Counter(label: "http_client_responses", dimensions: [("status", "\(hundreds)xx")])
        responses[hundreds] = counter
        return counter
    }

    private func end(_ event: HTTPClientEvent) {
        guard let start = begun.removeValue(forKey: event.request) else { return }
        duration.recordNanoseconds(event.time.nanoseconds - start.nanoseconds)
    }
}
