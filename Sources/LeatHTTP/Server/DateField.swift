import Glibc
import LeatReactor

/// The field `Date` (RFC 9110 §6.6.1), made once a second.
///
/// The one place that reads the wall clock: a date is not a deadline.
final class DateField {
    private var bytes: [UInt8] = []
    private var validUntil = LoopInstant(nanoseconds: .min)

    /// The line `Date: …` with its end.
    @inline(__always)
    func line(now: LoopInstant) -> [UInt8] {
        if now >= validUntil { renew(now) }
        return bytes
    }

    private func renew(_ now: LoopInstant) {
        bytes = Array("Date: \(HTTPDate.format(time(nil)))\r\n".utf8)
        validUntil = now.advanced(by: .seconds(1))
    }
}
