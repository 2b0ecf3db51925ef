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

    /// The text that was encoded; nil if a `%` is not followed by two hexadecimal digits.
    static func decode(_ encoded: ArraySlice<UInt8>) -> String? {
        var bytes: [UInt8] = []
        var rest = encoded
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(ASCII.hexValue), let low = rest.popFirst().flatMap(ASCII.hexValue)
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(decoding: bytes, as: UTF8.self)
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
    /// A form as browsers send it: `application/x-www-form-urlencoded`. Set that as the `Content-Type`, or use
    /// ``HTTPClient/post(_:form:headerFields:)``.
    public static func form(_ fields: [(name: String, value: String)]) -> HTTPBody {
        .text(
            fields.map { field in
                "\(PercentEncoding.encode(field.name, spaceAsPlus: true))="
                    + PercentEncoding.encode(field.value, spaceAsPlus: true)
            }.joined(separator: "&")
        )
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
