import LeatNet
package import LeatReactor

/// The deadlines of an exchange, and what to say when one has passed. The observer of the exchange comes along.
package struct ExchangeTimes: Sendable {
    package var began: LoopInstant
    /// When the whole exchange must be over.
    package var deadline: LoopInstant
    /// The longest wait for the next bytes, in nanoseconds.
    package var readTimeout: Int64
    package var observation: Observation?

    package init(began: LoopInstant, readTimeout: Int64, deadline: LoopInstant = .distantFuture) {
        self.began = began
        self.readTimeout = readTimeout
        self.deadline = deadline
    }

    /// Begins later, by what was waited for on the way, and ends later, but not after `limit`.
    mutating func postpone(by waited: Duration, until limit: LoopInstant) {
        began = began.advanced(by: waited)
        if deadline != .distantFuture { deadline = min(deadline.advanced(by: waited), limit) }
    }

    /// Puts a failure of the connection into words: a timeout says in which phase, and how long it took.
    package func describe(
        _ error: any Error,
        in phase: HTTPError.Phase,
        limit: Int64,
        now: LoopInstant
    ) -> any Error {
        guard let network = error as? NetworkError, network.kind == .timedOut else { return HTTPError.wrapping(error) }
        let elapsed = began.duration(to: now)
        if deadline <= now {
            let limit = began.duration(to: deadline)
            return HTTPError(timeout: .total, in: phase, limit: limit, elapsed: elapsed, underlying: error)
        }
        return HTTPError(timeout: phase, limit: .nanoseconds(limit), elapsed: elapsed, underlying: error)
    }
}
