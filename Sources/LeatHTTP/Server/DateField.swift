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

/// Dates of HTTP in their fixed form, such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
package enum HTTPDate {
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Formats seconds since 1970.
    package static func format(_ seconds: Int) -> String {
        var seconds = seconds
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let date = "\(pad(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900)"
        return
            "\(days[Int(parts.tm_wday)]), \(date) \(pad(parts.tm_hour)):\(pad(parts.tm_min)):\(pad(parts.tm_sec)) GMT"
    }

    private static func pad(_ value: Int32) -> String {
        value < 10 ? "0\(value)" : "\(value)"
    }
}
