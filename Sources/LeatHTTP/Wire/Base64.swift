/// Base64 with padding (RFC 4648 §4).
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    package static func encode(_ bytes: [UInt8]) -> String {
        String(unsafeUninitializedCapacity: (bytes.count + 2) / 3 * 4) { output in
            alphabet.withUnsafeBufferPointer { alphabet in
                var written = 0
                for start in stride(from: 0, to: bytes.count, by: 3) {
                    let rest = bytes.count - start
                    let second = rest > 1 ? bytes[start + 1] : 0
                    let third = rest > 2 ? bytes[start + 2] : 0
                    let group = UInt32(bytes[start]) << 16 | UInt32(second) << 8 | UInt32(third)
                    output[written] = alphabet[Int(group >> 18)]
                    output[written + 1] = alphabet[Int(group >> 12 & 63)]
                    output[written + 2] = rest > 1 ? alphabet[Int(group >> 6 & 63)] : UInt8(ascii: "=")
                    output[written + 3] = rest > 2 ? alphabet[Int(group & 63)] : UInt8(ascii: "=")
                    written += 4
                }
                return written
            }
        }
    }

    /// Nil if the text is not exactly what an encoder would have written.
    package static func decode(_ text: String) -> [UInt8]? {
        let input = Array(text.utf8)
        guard input.count % 4 == 0 else { return nil }
        let padding = input.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
        var output: [UInt8] = []
        output.reserveCapacity(input.count / 4 * 3)
        var group: UInt32 = 0
        for (index, byte) in input.dropLast(padding).enumerated() {
            guard let value = value(of: byte) else { return nil }
            group = group << 6 | value
            if index % 4 == 3 {
                output += [UInt8(truncatingIfNeeded: group >> 16), UInt8(truncatingIfNeeded: group >> 8)]
                output.append(UInt8(truncatingIfNeeded: group))
                group = 0
            }
        }
        // Bits that the padding leaves over must be zero.
        switch padding {
        case 1:
            guard group & 3 == 0 else { return nil }
            output += [UInt8(truncatingIfNeeded: group >> 10), UInt8(truncatingIfNeeded: group >> 2)]
        case 2:
            guard group & 15 == 0 else { return nil }
            output.append(UInt8(truncatingIfNeeded: group >> 4))
        default: break
        }
        return output
    }

    private static func value(of byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte) - 65
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte) - 97 + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte) - 48 + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
