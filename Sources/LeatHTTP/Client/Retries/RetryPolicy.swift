/// Which failures and statuses are followed by another try, how many times, and after how long.
///
/// ```swift
/// let policy = RetryPolicy(retries: 4)
/// let response = try await client.execute(request, retry: policy)
/// ```
///
/// A failure is tried again if the request may be repeated: its method is one of ``methods``, or the request cannot have
/// reached the server, or the server said that it did not act on it (429, 503). A body that is a stream is never sent
/// twice. While a try waits for its turn it holds no connection and no permit of a batch.
public struct RetryPolicy: Sendable {
    /// Tries after the first.
    public var retries: Int
    /// Statuses that are worth another try. Default 408, 429, 500, 502, 503, 504.
    public var statuses: Set<Int> = [408, 429, 500, 502, 503, 504]
    /// Methods whose requests may be repeated, whatever became of them. Default: the idempotent ones (RFC 9110 §9.2.2).
    public var methods: Set<HTTPRequest.Method> = [.get, .head, .put, .delete, .options, .trace]
    /// The wait before try *n* + 1 is random, between zero and this times 2ⁿ⁻¹ ("full jitter"). Default 250 ms.
    public var baseDelay = Duration.milliseconds(250)
    /// The longest wait that is chosen so. Default 30 s.
    public var maximumDelay = Duration.seconds(30)
    /// The longest `Retry-After` that is honoured; a server that asks for more has its answer returned. Default 5 min.
    public var maximumRetryAfter = Duration.seconds(300)
    /// What keeps a failing server from being asked many times as often; shared by those who share it. Default: none.
    public var budget: RetryBudget?

    /// No retries.
    public static let none = RetryPolicy(retries: 0)

    /// A policy with the defaults. Precondition: `retries` is not negative.
    public init(retries: Int) {
        precondition(retries >= 0, "a request cannot be tried again \(retries) times")
        self.retries = retries
    }

    /// With these the server says that it did not act on the request, so any method may be repeated.
    private static let refusals: Set<Int> = [429, 503]

    /// Whether a status is worth another try.
    func retries(_ status: Int, to request: HTTPClientRequest) -> Bool {
        request.body.isReplayable && statuses.contains(status)
            && (methods.contains(request.method) || Self.refusals.contains(status))
    }

    /// Whether a failure is worth another try: one of the network, and not one of the request itself.
    func retries(_ error: any Error, to request: HTTPClientRequest) -> Bool {
        guard let error = error as? HTTPError, request.body.isReplayable else { return false }
        switch error.kind {
        case .connect: return true
        // The origin has not seen the request.
        case .proxy: return error.proxyStatus.map { statuses.contains($0.code) } ?? false
        case .timeout where error.phase == .pool || error.phase == .resolve || error.phase == .connect: return true
        case .connection, .incomplete, .timeout: return methods.contains(request.method)
        default: return false
        }
    }

    /// The wait before try `attempt + 1`; nil if the server asks for a longer one than is honoured.
    func wait(
        after attempt: Int,
        retryAfter: Duration?,
        using generator: inout some RandomNumberGenerator
    ) -> Duration? {
        if let retryAfter { return retryAfter <= maximumRetryAfter ? retryAfter : nil }
        let ceiling = min(baseDelay * Double(1 << min(attempt - 1, 20)), maximumDelay)
        return ceiling * Double.random(in: 0...1, using: &generator)
    }

    /// What `Retry-After` asks for (RFC 9110 §10.2.3), given in seconds or as a date; nil if there is none.
    static func retryAfter(_ fields: HTTPFields, secondsSince1970 now: Int) -> Duration? {
        guard let value = fields[.retryAfter] else { return nil }
        if !value.isEmpty, value.utf8.allSatisfy(ASCII.isDigit) { return .seconds(Int(value) ?? Int(Int32.max)) }
        return HTTPDate.parse(value).map { .seconds(max(0, $0 - now)) }
    }
}

/// A bound on retries as a share of requests, so that a server in trouble is not asked many times as often.
///
/// Each request earns a fraction of a retry, and each retry spends one; a few are there from the beginning. Confined to
/// its loop.
public final class RetryBudget: @unchecked Sendable {
    private let ratio: Double
    private let capacity: Double
    private var balance: Double

    /// - Parameters:
    ///   - ratio: Retries earned by each request. Default 0.2: one in five.
    ///   - reserve: Retries there from the beginning, and the most that are saved up. Default 10.
    public init(ratio: Double = 0.2, reserve: Int = 10) {
        precondition(ratio >= 0 && reserve >= 0, "a retry budget cannot be negative")
        self.ratio = ratio
        capacity = Double(reserve)
        balance = capacity
    }

    func earn() { balance = min(balance + ratio, max(capacity, 1)) }

    /// Whether there is a retry left; takes it.
    func spend() -> Bool {
        guard balance >= 1 else { return false }
        balance -= 1
        return true
    }
}
