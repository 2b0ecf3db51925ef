import Glibc
import LeatReactor

/// The field `Date` (RFC 9110 §6.6.1), made once a second.
///
/// The one place that reads the wall clock: a date is not a deadline.
final class DateField {
    /// `Date: `, 29 characters, and the end of the line.
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 37, alignment: 8)
    @exclusivity(unchecked) private var validUntil = LoopInstant(nanoseconds: .min)

    deinit { memory.deallocate() }

    /// The line `Date: …` with its end. Good until the next call.
    @inline(__always)
    func bytes(now: LoopInstant) -> UnsafeRawBufferPointer {
        if now >= validUntil { renew(now) }
        return UnsafeRawBufferPointer(memory)
    }

    /// As ``bytes(now:)``, but a copy that may be kept.
    func line(now: LoopInstant) -> [UInt8] { Array(bytes(now: now)) }

    @inline(never)
    private func renew(_ now: LoopInstant) {
        let line = "Date: \(HTTPDate.format(time(nil)))\r\n"
        precondition(line.utf8.count == memory.count, "an HTTP date has 29 characters")
        memory.copyBytes(from: line.utf8)
        validUntil = now.advanced(by: .seconds(1))
    }
}
