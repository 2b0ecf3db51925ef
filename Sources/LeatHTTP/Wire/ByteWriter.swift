package import LeatNet

/// What bytes are appended to: an array, or a connection's output.
package protocol ByteSink: ~Copyable {
    /// Appends what `body` writes, `limit` bytes at most. A head then costs one append.
    mutating func append(atMost limit: Int, _ body: (inout ByteWriter) -> Void)
}

extension [UInt8]: ByteSink {
    package mutating func append(atMost limit: Int, _ body: (inout ByteWriter) -> Void) {
        append(addingCapacity: limit) { free in
            free.withUnsafeMutableBufferPointer { free, count in
                var writer = ByteWriter(room: UnsafeMutableRawBufferPointer(free))
                body(&writer)
                count = writer.count
            }
        }
    }
}

extension OutputBuffer: ByteSink {
    @inline(__always)
    package mutating func append(atMost limit: Int, _ body: (inout ByteWriter) -> Void) {
        let room = UnsafeMutableRawBufferPointer(start: reserve(limit), count: limit)
        var writer = ByteWriter(room: room)
        body(&writer)
        commit(writer.count)
    }
}

/// Writes bytes one after the other into memory that was reserved for them.
package struct ByteWriter {
    private let room: UnsafeMutableRawBufferPointer
    fileprivate var count = 0

    init(room: UnsafeMutableRawBufferPointer) {
        self.room = room
    }

    @inline(__always)
    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= room.count &- count, "more than was reserved")
        guard let source = bytes.baseAddress, let start = room.baseAddress else { return }
        (start + count).copyMemory(from: source, byteCount: bytes.count)
        count &+= bytes.count
    }

    @inline(__always)
    package mutating func write(_ text: StaticString) {
        write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inline(__always)
    mutating func write(_ text: String) {
        text.withBytes { write($0) }
    }

    /// Writes a number that is not negative, in decimal.
    @inline(__always)
    package mutating func write(decimal value: Int) {
        guard value >= 0, value < 100_000_000 else { return writeLong(decimal: value) }
        writeShort(decimal: UInt32(truncatingIfNeeded: value))
    }

    /// Up to eight digits, which are gathered in a word from the last to the first.
    @inline(__always)
    private mutating func writeShort(decimal value: UInt32) {
        var rest = value
        var digits: UInt64 = 0
        var size = 0
        repeat {
            let quotient = rest / 10
            digits = digits &<< 8 | UInt64(0x30 &+ rest &- quotient &* 10)
            rest = quotient
            size &+= 1
        } while rest > 0
        // All eight bytes at once; those that are too many are written over, or never sent.
        precondition(room.count - count >= 8, "more than was reserved")
        room.baseAddress.unsafelyUnwrapped.storeBytes(of: digits.littleEndian, toByteOffset: count, as: UInt64.self)
        count &+= size
    }

    private mutating func writeLong(decimal value: Int) {
        precondition(value >= 0, "a length is not negative")
        let (high, low) = value.quotientAndRemainder(dividingBy: 10_000_000)
        write(decimal: high)
        var unit = 1_000_000
        while unit > 0 {
            write(byte: 0x30 + UInt8(truncatingIfNeeded: low / unit % 10))
            unit /= 10
        }
    }

    /// Writes a number that is not negative, in hexadecimal.
    package mutating func write(hexadecimal value: Int) {
        precondition(value >= 0, "a size is not negative")
        var shift = value == 0 ? 0 : (63 - value.leadingZeroBitCount) & ~3
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: value >> shift) & 0xF
            write(byte: digit < 10 ? 0x30 + digit : 0x57 + digit)
            shift -= 4
        }
    }

    @inline(__always)
    private mutating func write(byte: UInt8) {
        precondition(count < room.count, "more than was reserved")
        room[count] = byte
        count += 1
    }
}
