/// Byte-level helpers for HTTP text.
///
/// HTTP is defined over octets. `Character`, `Int(String)` and `lowercased()` follow Unicode and accept far more than
/// HTTP does (`"٥"` is a number, U+212A folds to `k`, `"\r\n"` is one character), so nothing here uses them.
/// The ranges that are longer than a few bytes are checked eight bytes at a time.
package enum ASCII {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let comma: UInt8 = 0x2C
    static let slash: UInt8 = 0x2F
    static let colon: UInt8 = 0x3A
    static let semicolon: UInt8 = 0x3B
    static let equals: UInt8 = 0x3D

    /// Whether `byte` may stand in a token (RFC 9110 §5.6.2).
    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        isMember(byte, low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE)
    }

    /// Whether `byte` may stand in a registered name without percent-encoding (RFC 3986 §3.2.2).
    @inline(__always)
    static func isRegisteredName(_ byte: UInt8) -> Bool {
        isMember(byte, low: 0x2BFF_7FD2_0000_0000, high: 0x47FF_FFFE_87FF_FFFE)
    }

    @inline(__always)
    static func isWhitespace(_ byte: UInt8) -> Bool { byte == space || byte == tab }

    @inline(__always)
    static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    /// Whether `byte` may stand in a field value or a reason phrase: HTAB, SP, VCHAR or obs-text (RFC 9110 §5.5).
    @inline(__always)
    static func isFieldValue(_ byte: UInt8) -> Bool { byte >= 0x20 ? byte != 0x7F : byte == tab }

    /// Whether `byte` may stand in a request target: VCHAR, except `#`, which no form of target contains.
    @inline(__always)
    static func isTarget(_ byte: UInt8) -> Bool { byte &- 0x21 < 0x5E && byte != 0x23 }

    @inline(__always)
    static func lowercase(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    /// The value of a hexadecimal digit, or nil.
    @inline(__always)
    package static func hexValue(_ byte: UInt8) -> UInt8? {
        if isDigit(byte) { return byte &- 0x30 }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter + 10 : nil
    }

    @inline(__always)
    private static func isMember(_ byte: UInt8, low: UInt64, high: UInt64) -> Bool {
        byte < 128 && ((byte < 64 ? low : high) &>> UInt64(byte & 63)) & 1 != 0
    }
}

extension String {
    /// Calls `body` with the UTF-8. Unlike `withUTF8` this needs no copy of the string that could be changed; strings whose
    /// bytes do not lie together do not exist on Linux, but may.
    @inline(__always)
    func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        let result = utf8.withContiguousStorageIfAvailable { body(UnsafeRawBufferPointer($0)) }
        if let result { return result }
        var copy = self
        return copy.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }
}

// MARK: - Ranges of bytes

extension ASCII {
    /// The offset of the first byte that may not stand in a token, or nil.
    @inline(__always)
    static func firstNonToken(_ start: UnsafeRawPointer, _ count: Int) -> Int? {
        var index = 0
        while index &+ 8 <= count {
            // Names are letters and hyphens nearly always; another octet is looked at by itself.
            let others = nonLettersAndHyphens(start.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            guard others != 0 else {
                index &+= 8
                continue
            }
            index &+= others.trailingZeroBitCount &>> 3
            if !isToken(start.load(fromByteOffset: index, as: UInt8.self)) { return index }
            index &+= 1
        }
        while index < count {
            if !isToken(start.load(fromByteOffset: index, as: UInt8.self)) { return index }
            index &+= 1
        }
        return nil
    }

    /// The top bit of each octet, in memory order from the lowest, that is neither an ASCII letter nor `-`.
    @inline(__always)
    private static func nonLettersAndHyphens(_ word: UInt64) -> UInt64 {
        let word = UInt64(littleEndian: word)
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        // No sum carries into the next octet: each summand is below 0x80.
        let lower = (word | ones &* 0x20) & ~highs
        let letters = (lower &+ ones &* (0x80 - 0x61)) & ~(lower &+ ones &* (0x80 - 0x7B))
        let hyphens = ~((((word ^ ones &* 0x2D) & ~highs) &+ ~highs) | (word ^ ones &* 0x2D))
        return ~((letters & ~word) | hyphens) & highs
    }

    /// Whether the bytes are a token: not empty, and token characters only.
    @inline(__always)
    static func isToken(_ start: UnsafeRawPointer, _ count: Int) -> Bool {
        count > 0 && firstNonToken(start, count) == nil
    }

    /// The offset of the first byte that may not stand in a field value, or nil.
    @inline(__always)
    static func firstNonFieldValue(_ start: UnsafeRawPointer, _ count: Int) -> Int? {
        firstNonFieldValue(start, 0..<count)
    }

    /// Likewise in a part of a line. The octets of the line before it are known to be fit.
    @inline(__always)
    static func firstNonFieldValue(_ line: UnsafeRawPointer, _ range: Range<Int>) -> Int? {
        var index = range.lowerBound
        while index < range.upperBound {
            // The last eight bytes may begin before the range.
            let start = min(index, range.upperBound &- 8)
            guard start >= 0, !mayHoldControl(line.loadUnaligned(fromByteOffset: start, as: UInt64.self)) else {
                return firstNonFieldValueOneByOne(line, index..<range.upperBound)
            }
            index &+= 8
        }
        return nil
    }

    /// HTAB is the one control character which may pass; a value with one is searched in this slower way to its end.
    @inline(never)
    private static func firstNonFieldValueOneByOne(_ line: UnsafeRawPointer, _ range: Range<Int>) -> Int? {
        range.first { !isFieldValue(line.load(fromByteOffset: $0, as: UInt8.self)) }
    }

    /// Whether there is a control character among the eight bytes, be it HTAB.
    @inline(__always)
    private static func mayHoldControl(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        let control = (word &- ones &* 0x20) & ~word & highs
        let delete = word ^ (ones &* 0x7F)
        return control | ((delete &- ones) & ~delete & highs) != 0
    }

    /// The offset of the first byte that may not stand in a request target, or nil.
    @inline(__always)
    static func firstNonTarget(_ start: UnsafeRawPointer, _ count: Int) -> Int? {
        var index = 0
        while index < count {
            if !isTarget(start.load(fromByteOffset: index, as: UInt8.self)) { return index }
            index &+= 1
        }
        return nil
    }

    /// Compares two ranges of `count` bytes without regard to the case of ASCII letters.
    @inline(__always)
    static func equalsIgnoringCase(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, _ count: Int) -> Bool {
        var index = 0
        while index &+ 8 <= count {
            let leftWord = left.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let rightWord = right.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let difference = leftWord ^ rightWord
            if difference != 0 {
                if difference & ~0x2020_2020_2020_2020 != 0 { return false }
                for offset in index..<index &+ 8 where !equalsIgnoringCase(left, right, at: offset) { return false }
            }
            index &+= 8
        }
        while index < count {
            if !equalsIgnoringCase(left, right, at: index) { return false }
            index &+= 1
        }
        return true
    }

    @inline(__always)
    private static func equalsIgnoringCase(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, at index: Int) -> Bool {
        lowercase(left.load(fromByteOffset: index, as: UInt8.self))
            == lowercase(right.load(fromByteOffset: index, as: UInt8.self))
    }

    /// Whether the bytes spell `text`, an ASCII literal, without regard to case.
    @inline(__always)
    static func equalsIgnoringCase(_ start: UnsafeRawPointer, _ count: Int, _ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && equalsIgnoringCase(start, text.utf8Start, count)
    }

    /// Reads a decimal number of digits only: no sign, no white space, no separator; nil if it is empty or overflows.
    static func decimal(_ start: UnsafeRawPointer, _ count: Int) -> Int? {
        if count == 0 { return nil }
        var value = 0
        for index in 0..<count {
            let byte = start.load(fromByteOffset: index, as: UInt8.self)
            guard isDigit(byte) else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(byte &- 0x30))
            if overflow || carry { return nil }
            value = sum
        }
        return value
    }

    /// The bytes between optional white space (SP and HTAB only) at either end.
    @inline(__always)
    static func trim(_ start: UnsafeRawPointer, _ range: Range<Int>) -> Range<Int> {
        var (lower, upper) = (range.lowerBound, range.upperBound)
        while lower < upper, isWhitespace(start.load(fromByteOffset: lower, as: UInt8.self)) { lower &+= 1 }
        while lower < upper, isWhitespace(start.load(fromByteOffset: upper &- 1, as: UInt8.self)) { upper &-= 1 }
        return lower..<upper
    }

    /// Calls `body` with each element of a comma-separated list, trimmed; empty elements are passed as well.
    @inline(__always)
    static func forEachListElement(
        _ start: UnsafeRawPointer,
        _ count: Int,
        _ body: (_ element: UnsafeRawPointer, _ count: Int) -> Void
    ) {
        var lower = 0
        for index in 0...count {
            guard index == count || start.load(fromByteOffset: index, as: UInt8.self) == comma else { continue }
            let element = trim(start, lower..<index)
            body(start + element.lowerBound, element.count)
            lower = index + 1
        }
    }

    /// A byte in the form in which error descriptions name it: `'x'` if it is printable, else `0x0D`.
    static func describe(_ byte: UInt8) -> String {
        if byte > 0x20, byte < 0x7F { return "'\(Character(Unicode.Scalar(byte)))'" }
        let digits = String(byte, radix: 16, uppercase: true)
        return digits.utf8.count == 1 ? "0x0\(digits)" : "0x\(digits)"
    }
}
