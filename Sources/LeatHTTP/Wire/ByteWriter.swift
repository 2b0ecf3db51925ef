/// Writes octets one after the other into room which was set aside, so that a head costs one append to its buffer.
struct ByteWriter {
    private let room: UnsafeMutableRawBufferPointer
    private var count = 0

    /// Appends to `output` what `body` writes, which may be `limit` octets at most.
    @inline(__always)
    static func append(atMost limit: Int, to output: inout [UInt8], _ body: (inout ByteWriter) -> Void) {
        output.append(addingCapacity: limit) { free in
            free.withUnsafeMutableBufferPointer { free, count in
                var writer = ByteWriter(room: UnsafeMutableRawBufferPointer(free))
                body(&writer)
                count = writer.count
            }
        }
    }

    init(room: UnsafeMutableRawBufferPointer) {
        self.room = room
    }

    @inline(__always)
    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= room.count - count, "more than was measured")
        guard let source = bytes.baseAddress, let start = room.baseAddress else { return }
        (start + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    @inline(__always)
    mutating func write(_ text: StaticString) {
        write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inline(__always)
    mutating func write(_ text: String) {
        text.withBytes { write($0) }
    }

    /// Writes a number that is not negative.
    mutating func write(decimal value: Int) {
        precondition(value >= 0, "a length is not negative")
        var rest = UInt(value)
        // 2^63 has 19 digits.
        withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
            var start = digits.count
            repeat {
                start -= 1
                digits[start] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            write(UnsafeRawBufferPointer(rebasing: digits[start...]))
        }
    }
}
