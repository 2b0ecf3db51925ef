/// One header or trailer field: a name and a value (RFC 9110 §5).
///
/// The value is free text until it is sent. Whatever serialises the field checks its *bytes* and refuses CR, LF, NUL
/// and the other control characters, so that a value taken from a user cannot start another field.
public struct HTTPField: Hashable, Sendable, CustomStringConvertible {
    /// The field's name.
    public var name: Name

    /// The field's value. Bytes received that are not UTF-8 appear as U+FFFD.
    public var value: String

    /// Makes a field. The value is not checked here; see ``isValid``.
    public init(name: Name, value: String) {
        self.name = name
        self.value = value
    }

    /// Whether the value may be sent: no CR, LF, NUL or other control character except HTAB (RFC 9110 §5.5).
    ///
    /// - Complexity: O(length of the value).
    public var isValid: Bool { Self.isValidValue(value) }

    /// Whether `value` may be sent as the value of a field. See ``isValid``.
    public static func isValidValue(_ value: String) -> Bool {
        value.withBytes { bytes in
            guard let start = bytes.baseAddress else { return true }
            return ASCII.firstNonFieldValue(start, bytes.count) == nil
        }
    }

    /// `name: value`.
    public var description: String { "\(name): \(value)" }
}

extension HTTPField {
    /// The name of a field: a token, compared without regard to the case of ASCII letters (RFC 9110 §5.1).
    public struct Name: Sendable, LosslessStringConvertible {
        /// The name as it was written.
        public let rawName: String

        /// Makes a name, or nil if `name` is not a token: it is empty, or contains white space, a separator such as
        /// `:`, a control character or anything outside ASCII.
        public init?(_ name: String) {
            let isToken = name.withBytes { bytes in
                guard let start = bytes.baseAddress else { return false }
                return ASCII.isToken(start, bytes.count)
            }
            guard isToken else { return nil }
            self.rawName = name
        }

        /// Makes a name from text known to be a token.
        package init(unchecked name: String) {
            self.rawName = name
        }

        /// The name with its ASCII letters in lower case.
        public var canonicalName: String {
            String(decoding: rawName.utf8.lazy.map(ASCII.lowercase), as: UTF8.self)
        }

        /// The name as it was written.
        public var description: String { rawName }
    }
}

extension HTTPField.Name: Hashable {
    public static func == (left: Self, right: Self) -> Bool {
        if left.rawName == right.rawName { return true }
        return left.withBytes { left in
            right.withBytes { right in
                left.count == right.count
                    && ASCII.equalsIgnoringCase(left.baseAddress!, right.baseAddress!, left.count)
            }
        }
    }

    public func hash(into hasher: inout Hasher) {
        withBytes { hasher.combineLowercased($0) }
    }

    /// Calls `body` with the bytes of the name; they are never empty.
    @inline(__always)
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        rawName.withBytes(body)
    }
}

extension Hasher {
    /// Feeds ASCII text such that texts which differ in case only hash alike.
    mutating func combineLowercased(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes { combine(ASCII.lowercase(byte)) }
        combine(bytes.count)
    }
}
