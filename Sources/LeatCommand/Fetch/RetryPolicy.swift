import Leat

/// When a try is followed by another, and after how long.
struct FetchRetries: Sendable {
    /// Tries after the first.
    var retries: Int

    private static let repeatableStatuses: Set<Int> = [408, 429, 500, 502, 503, 504]
    /// With these the server says that it did not act on the request, so any method may be repeated.
    private static let refusals: Set<Int> = [429, 503]
    private static let repeatableMethods: [HTTPRequest.Method] = [.get, .head, .put, .delete, .options, .trace]
    private static let base = 0.25
    private static let maximumWait = 30.0
    /// The longest `Retry-After` that is honoured, in seconds.
    static let maximumRetryAfter = 300

    /// Whether a status is worth another try.
    func retries(_ status: Int, to method: HTTPRequest.Method) -> Bool {
        Self.repeatableMethods.contains(method)
            ? Self.repeatableStatuses.contains(status) : Self.refusals.contains(status)
    }

    /// Whether a failure is worth another try: one of the network, and not one of the request itself.
    func retries(_ error: any Error, to method: HTTPRequest.Method) -> Bool {
        guard let error = error as? HTTPError else { return false }
        switch error.kind {
        case .connect: return true
        case .connection, .incomplete, .timeout: return Self.repeatableMethods.contains(method)
        default: return false
        }
    }

    /// The wait before try number `attempt + 1`: exponential with full jitter, or what the server asked for.
    func wait(after attempt: Int, retryAfter: Int?, using generator: inout some RandomNumberGenerator) -> Duration {
        if let retryAfter { return .seconds(min(retryAfter, Self.maximumRetryAfter)) }
        let ceiling = min(Self.base * Double(1 << min(attempt - 1, 20)), Self.maximumWait)
        return .seconds(Double.random(in: 0...ceiling, using: &generator))
    }

    /// The seconds that `Retry-After` asks for (RFC 9110 §10.2.3), given in seconds or as a date; nil if there is none.
    static func retryAfter(_ fields: HTTPFields, now: Int) -> Int? {
        guard let value = fields[.retryAfter] else { return nil }
        if !value.isEmpty, value.utf8.allSatisfy({ (0x30...0x39).contains($0) }) { return Int(value) ?? Int.max }
        return HTTPDate.parse(value).map { max(0, $0 - now) }
    }
}
