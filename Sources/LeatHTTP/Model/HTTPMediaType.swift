/// A media type with its parameters, as `Content-Type` holds it (RFC 9110 §8.3.1): `text/html; charset="utf-8"`.
public struct HTTPMediaType: Hashable, Sendable, LosslessStringConvertible {
    /// One parameter. Names are in lower case; values are as received, without quotes and backslashes.
    public struct Parameter: Hashable, Sendable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The type in lower case, such as `text`.
    public let type: String
    /// The subtype in lower case, such as `html`.
    public let subtype: String
    /// The parameters in order.
    public let parameters: [Parameter]

    /// More parameters than this are refused: 32.
    public static var maximumParameters: Int { 32 }
    /// A longer text is refused: 8 KiB.
    public static var maximumLength: Int { 8192 }

    /// Reads a media type; nil if it is not one, exceeds ``maximumParameters`` or ``maximumLength``, or names a
    /// parameter twice, which could be taken in two ways.
    public init?(_ text: String) {
        var text = text
        let parsed = text.withUTF8 { bytes -> Self? in
            guard bytes.count <= Self.maximumLength else { return nil }
            var scanner = MediaTypeScanner(bytes: bytes)
            return scanner.mediaType()
        }
        guard let parsed else { return nil }
        self = parsed
    }

    fileprivate init(type: String, subtype: String, parameters: [Parameter]) {
        self.type = type
        self.subtype = subtype
        self.parameters = parameters
    }

    /// The type and the subtype, such as `text/html`.
    public var essence: String { "\(type)/\(subtype)" }

    /// The value of a parameter, by its name in any case of letters.
    public subscript(name: String) -> String? {
        let name = String(decoding: name.utf8.lazy.map(ASCII.lowercase), as: UTF8.self)
        return parameters.first { $0.name == name }?.value
    }

    /// The media type as it is sent, parameter values in quotes where they must be.
    public var description: String {
        parameters.reduce(into: essence) { text, parameter in
            text += "; \(parameter.name)="
            if !parameter.value.isEmpty, parameter.value.utf8.allSatisfy(ASCII.isToken) {
                text += parameter.value
            } else {
                text += "\""
                for scalar in parameter.value.unicodeScalars {
                    if scalar == "\"" || scalar == "\\" { text += "\\" }
                    text.unicodeScalars.append(scalar)
                }
                text += "\""
            }
        }
    }
}

extension HTTPFields {
    /// The `Content-Type`; nil if there is none, or it is malformed, or there are several.
    public var mediaType: HTTPMediaType? { self[.contentType].flatMap { HTTPMediaType($0) } }
}

/// Reads a media type from left to right.
private struct MediaTypeScanner {
    let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0

    init(bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    private var byte: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func mediaType() -> HTTPMediaType? {
        skipWhitespace()
        guard let type = token(), take(ASCII.slash), let subtype = token() else { return nil }
        var parameters: [HTTPMediaType.Parameter] = []
        while true {
            skipWhitespace()
            guard byte != nil else { break }
            guard take(ASCII.semicolon) else { return nil }
            skipWhitespace()
            // Empty parameters are allowed (RFC 9110 §5.6.6).
            if byte == nil || byte == ASCII.semicolon { continue }
            guard let name = token(), take(0x3D), let value = byte == 0x22 ? quotedString() : token(lowercased: false),
                parameters.count < HTTPMediaType.maximumParameters, !parameters.contains(where: { $0.name == name })
            else { return nil }
            parameters.append(HTTPMediaType.Parameter(name: name, value: value))
        }
        return HTTPMediaType(type: type, subtype: subtype, parameters: parameters)
    }

    private mutating func skipWhitespace() {
        while let byte, ASCII.isWhitespace(byte) { position += 1 }
    }

    private mutating func take(_ expected: UInt8) -> Bool {
        guard byte == expected else { return false }
        position += 1
        return true
    }

    private mutating func token(lowercased: Bool = true) -> String? {
        let start = position
        while let byte, ASCII.isToken(byte) { position += 1 }
        guard position > start else { return nil }
        let token = bytes[start..<position]
        return lowercased
            ? String(decoding: token.lazy.map(ASCII.lowercase), as: UTF8.self) : String(decoding: token, as: UTF8.self)
    }

    private mutating func quotedString() -> String? {
        position += 1
        var value: [UInt8] = []
        while let byte, ASCII.isFieldValue(byte) {
            position += 1
            switch byte {
            case 0x22:
                return String(decoding: value, as: UTF8.self)
            case 0x5C:
                guard let escaped = self.byte, ASCII.isFieldValue(escaped) else { return nil }
                value.append(escaped)
                position += 1
            default:
                value.append(byte)
            }
        }
        return nil
    }
}

extension HTTPMediaType {
    /// `application/json` (RFC 8259).
    public static let json = HTTPMediaType("application/json")!

    /// Whether it is a JSON type: `application/json`, `text/json`, or one whose subtype ends with `+json` (WHATWG MIME
    /// Sniffing §4.6; RFC 6839 §3.1).
    public var isJSON: Bool {
        essence == "application/json" || essence == "text/json" || subtype.hasSuffix("+json")
    }
}
