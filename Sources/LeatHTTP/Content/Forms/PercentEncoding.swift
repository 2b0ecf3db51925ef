internal import Glibc

/// Percent-encoding of text in URLs (RFC 3986 §2.1).
package enum PercentEncoding {
    /// The letters, digits and marks that need no encoding anywhere (§2.3).
    @inline(__always)
    static func isUnreserved(_ byte: UInt8) -> Bool {
        ASCII.isLetter(byte) || ASCII.isDigit(byte) || byte == 0x2D || byte == 0x2E || byte == 0x5F || byte == 0x7E
    }

    /// The UTF-8 of `text` with everything encoded that is not unreserved; a space becomes `+` in a form.
    package static func encode(_ text: String, spaceAsPlus: Bool = false) -> String {
        String(decoding: encode(Array(text.utf8), spaceAsPlus: spaceAsPlus), as: UTF8.self)
    }

    /// `bytes`, which need not be UTF-8, with everything encoded that is not unreserved.
    package static func encode(_ bytes: [UInt8], spaceAsPlus: Bool = false) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        var encoded: [UInt8] = []
        encoded.reserveCapacity(bytes.count)
        for byte in bytes {
            if isUnreserved(byte) {
                encoded.append(byte)
            } else if byte == ASCII.space, spaceAsPlus {
                encoded.append(UInt8(ascii: "+"))
            } else {
                encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return encoded
    }

    /// Whether each `%` is followed by two hexadecimal digits.
    static func isWellFormed(_ encoded: UnsafeRawBufferPointer) -> Bool {
        guard let start = encoded.baseAddress else { return true }
        var position = 0
        while let found = memchr(start + position, Int32(UInt8(ascii: "%")), encoded.count - position) {
            let percent = UnsafeRawPointer(found) - start
            guard percent + 2 < encoded.count, ASCII.hexValue(encoded[percent + 1]) != nil,
                ASCII.hexValue(encoded[percent + 2]) != nil
            else { return false }
            position = percent + 3
        }
        return true
    }

    /// The text that was encoded; nil if a `%` is not followed by two hexadecimal digits.
    static func decode(_ encoded: ArraySlice<UInt8>) -> String? {
        encoded.withUnsafeBytes { isWellFormed($0) ? decode($0) : nil }
    }

    /// The text that was encoded, ill-formed UTF-8 replaced with U+FFFD; in a form, `+` stands for a space. A `%` that is not
    /// followed by two hexadecimal digits stands for itself. O(n).
    static func decode(_ encoded: UnsafeRawBufferPointer, plusAsSpace: Bool = false) -> String {
        guard encoded.contains(where: { $0 == UInt8(ascii: "%") || plusAsSpace && $0 == UInt8(ascii: "+") }) else {
            return String(decoding: encoded, as: UTF8.self)
        }
        return withUnsafeTemporaryAllocation(byteCount: encoded.count, alignment: 1) { decoded in
            var (position, count) = (0, 0)
            while position < encoded.count {
                let byte = encoded[position]
                if byte == UInt8(ascii: "%"), position + 2 < encoded.count,
                    let high = ASCII.hexValue(encoded[position + 1]), let low = ASCII.hexValue(encoded[position + 2])
                {
                    decoded[count] = high << 4 | low
                    position += 3
                } else {
                    decoded[count] = byte == UInt8(ascii: "+") && plusAsSpace ? ASCII.space : byte
                    position += 1
                }
                count += 1
            }
            return String(decoding: UnsafeRawBufferPointer(rebasing: decoded[..<count]), as: UTF8.self)
        }
    }
}

extension HTTPURL {
    /// This URL with `items` added to its query, percent-encoded; a space becomes `%20`. What is there stays.
    ///
    /// ```swift
    /// url.appending(queryItems: [("q", "water mill"), ("page", "2")])  // …?q=water%20mill&page=2
    /// ```
    public func appending(queryItems items: [(name: String, value: String)]) -> HTTPURL {
        if items.isEmpty { return self }
        let query = items.map { item in
            "\(PercentEncoding.encode(item.name))="
                + PercentEncoding.encode(item.value)
        }.joined(separator: "&")
        let hasQuery = path.utf8.contains(UInt8(ascii: "?"))
        let separator = !hasQuery ? "?" : path.hasSuffix("?") || path.hasSuffix("&") ? "" : "&"
        return replacing(path: path + separator + query)
    }
}

extension HTTPBody {
    /// A form as browsers send it, as `application/x-www-form-urlencoded`; see also ``HTTPClient/post(_:form:headerFields:)``.
    public static func form(_ fields: [(name: String, value: String)]) -> HTTPBody {
        let text = fields.map { field in
            "\(PercentEncoding.encode(field.name, spaceAsPlus: true))="
                + PercentEncoding.encode(field.value, spaceAsPlus: true)
        }.joined(separator: "&")
        return .bytes(Array(text.utf8), .form)
    }
}

extension HTTPClient {
    /// Sends a form with POST and collects the response; see ``request(_:_:headerFields:body:upTo:)``.
    public func post(
        _ url: HTTPURL,
        form fields: [(name: String, value: String)],
        headerFields: HTTPFields = HTTPFields()
    ) async throws -> HTTPClientResponse {
        var headerFields = headerFields
        if !headerFields.contains(.contentType) { headerFields[.contentType] = "application/x-www-form-urlencoded" }
        return try await post(url, headerFields: headerFields, body: .form(fields))
    }
}
