/// A point on the loop's clock: nanoseconds of `CLOCK_MONOTONIC`, or of a ``ManualClock``.
///
/// Instants of one clock can be compared and subtracted; their absolute value means nothing.
public struct LoopInstant: InstantProtocol, Hashable, Sendable {
    /// Nanoseconds since the clock's own origin.
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The last instant there is: a deadline that never comes.
    public static let distantFuture = LoopInstant(nanoseconds: .max)

    /// The instant `duration` later. Saturates instead of overflowing, and rounds a fraction of a nanosecond up, so that
    /// a deadline is never early.
    public func advanced(by duration: Duration) -> LoopInstant {
        advanced(nanoseconds: duration.clampedNanoseconds)
    }

    /// The instant so many nanoseconds later; saturates.
    @inline(__always)
    package func advanced(nanoseconds delta: Int64) -> LoopInstant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(delta)
        return overflow ? (delta < 0 ? LoopInstant(nanoseconds: .min) : .distantFuture) : LoopInstant(nanoseconds: sum)
    }

    public func duration(to other: LoopInstant) -> Duration {
        .nanoseconds(other.nanoseconds) - .nanoseconds(nanoseconds)
    }

    public static func < (left: LoopInstant, right: LoopInstant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}

extension Duration {
    /// Whole nanoseconds, rounded up, clamped to what an `Int64` holds (292 years).
    package var clampedNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (base, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let rounded = attoseconds > 0 ? (attoseconds + 999_999_999) / 1_000_000_000 : attoseconds / 1_000_000_000
        let (sum, carry) = base.addingReportingOverflow(rounded)
        return carry ? (base < 0 ? .min : .max) : sum
    }
}
