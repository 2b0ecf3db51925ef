// Appending text and numbers without making strings.

extension HTTPEncoder {
    /// Appends ASCII text.
    @inline(__always)
    package static func append(_ text: StaticString, to output: inout [UInt8]) {
        output.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends the UTF-8 form of text.
    @inline(__always)
    package static func append(_ text: String, to output: inout [UInt8]) {
        var text = text
        text.withUTF8 { output.append(contentsOf: $0) }
    }

    /// Appends a number that is not negative, in decimal.
    package static func appendDecimal(_ value: Int, to output: inout [UInt8]) {
        ByteWriter.append(atMost: 20, to: &output) { $0.write(decimal: value) }
    }

    /// Appends a number that is not negative, in hexadecimal.
    package static func appendHexadecimal(_ value: Int, to output: inout [UInt8]) {
        precondition(value >= 0, "a size is not negative")
        var shift = value == 0 ? 0 : (63 - value.leadingZeroBitCount) & ~3
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: value >> shift) & 0xF
            output.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
            shift -= 4
        }
    }
}
