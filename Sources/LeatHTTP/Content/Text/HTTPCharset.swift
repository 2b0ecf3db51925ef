/// A character encoding that the text of a body can be in: what `charset` of `Content-Type` names (RFC 9110 §8.3.2).
///
/// Decoding never fails: what is ill-formed becomes U+FFFD. A byte order mark at the beginning is not part of the text.
public struct HTTPCharset: Hashable, Sendable, CustomStringConvertible {
    private enum Scheme {
        case utf8, ascii, latin1, windows1252, utf16, utf16LittleEndian, utf16BigEndian
    }

    private let scheme: Scheme
    /// The preferred name, in lower case, such as `iso-8859-1`.
    public let name: String

    /// `utf-8`, which is assumed where nothing is said.
    public static var utf8: Self { Self(scheme: .utf8, name: "utf-8") }
    /// `us-ascii`: bytes over 0x7F become U+FFFD.
    public static var usASCII: Self { Self(scheme: .ascii, name: "us-ascii") }
    /// `iso-8859-1`: each byte is the code point of its value. Text that claims it is often `windows-1252` in truth, which
    /// differs at 0x80 to 0x9F.
    public static var isoLatin1: Self { Self(scheme: .latin1, name: "iso-8859-1") }
    /// `windows-1252`. The five bytes without a meaning become the control characters of their values (WHATWG Encoding).
    public static var windows1252: Self { Self(scheme: .windows1252, name: "windows-1252") }
    /// `utf-16`: in the order of the byte order mark; little-endian without one, which is what is found in practice (WHATWG
    /// Encoding), although RFC 2781 §4.3 recommends big-endian.
    public static var utf16: Self { Self(scheme: .utf16, name: "utf-16") }
    /// `utf-16le`.
    public static var utf16LittleEndian: Self { Self(scheme: .utf16LittleEndian, name: "utf-16le") }
    /// `utf-16be`.
    public static var utf16BigEndian: Self { Self(scheme: .utf16BigEndian, name: "utf-16be") }

    private init(scheme: Scheme, name: String) {
        self.scheme = scheme
        self.name = name
    }

    /// The encoding of this name, in any case of letters. Throws ``HTTPError`` of kind `.unknownCharset`, which repeats the
    /// name.
    public init(named name: String) throws(HTTPError) {
        self =
            switch String(decoding: name.utf8.lazy.map(ASCII.lowercase), as: UTF8.self) {
            case "utf-8", "utf8": .utf8
            case "us-ascii", "ascii": .usASCII
            case "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "l1": .isoLatin1
            case "windows-1252", "cp1252", "x-cp1252": .windows1252
            case "utf-16", "utf16": .utf16
            case "utf-16le": .utf16LittleEndian
            case "utf-16be": .utf16BigEndian
            default: throw HTTPError(.unknownCharset, "the charset '\(Self.excerpt(name))' is not known")
            }
    }

    /// The name; see ``name``.
    public var description: String { name }

    /// The text that `bytes` stand for. O(n).
    public func decode(_ bytes: [UInt8]) -> String {
        switch scheme {
        case .utf8:
            String(decoding: bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...], as: UTF8.self)
        case .ascii:
            String(decoding: bytes.lazy.map { $0 < 0x80 ? UInt16($0) : 0xFFFD }, as: UTF16.self)
        case .latin1:
            String(decoding: bytes.lazy.map { UInt16($0) }, as: UTF16.self)
        case .windows1252:
            String(
                decoding: bytes.lazy.map { 0x80..<0xA0 ~= $0 ? Self.windows1252Controls[Int($0) - 0x80] : UInt16($0) },
                as: UTF16.self
            )
        case .utf16:
            Self.decodeUTF16(bytes, bigEndian: bytes.starts(with: [0xFE, 0xFF]))
        case .utf16LittleEndian:
            Self.decodeUTF16(bytes, bigEndian: false)
        case .utf16BigEndian:
            Self.decodeUTF16(bytes, bigEndian: true)
        }
    }

    /// Unpaired surrogates, and a byte left over at the end, become U+FFFD.
    private static func decodeUTF16(_ bytes: [UInt8], bigEndian: Bool) -> String {
        var units = (0..<bytes.count / 2).map { index in
            let (first, second) = (UInt16(bytes[2 * index]), UInt16(bytes[2 * index + 1]))
            return bigEndian ? first << 8 | second : second << 8 | first
        }[...]
        if bytes.count % 2 != 0 { units.append(0xFFFD) }
        if units.first == 0xFEFF { units.removeFirst() }
        return String(decoding: units, as: UTF16.self)
    }

    /// What 0x80 to 0x9F stand for (WHATWG Encoding, index windows-1252).
    private static let windows1252Controls: [UInt16] = [
        0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008D,
        0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A,
        0x0153, 0x009D, 0x017E, 0x0178,
    ]

    /// A name from a peer, short enough for an error message.
    private static func excerpt(_ name: String) -> String {
        name.unicodeScalars.count <= 64 ? name : String(name.unicodeScalars.prefix(64)) + "…"
    }
}

extension HTTPFields {
    /// The encoding that `Content-Type` names; nil if it names none, or is missing or malformed.
    /// Throws ``HTTPError`` of kind `.unknownCharset`.
    public func charset() throws(HTTPError) -> HTTPCharset? {
        guard let name = mediaType?["charset"] else { return nil }
        return try HTTPCharset(named: name)
    }
}

extension HTTPClientResponse {
    /// The body as text in `charset`, or without one in the encoding that `Content-Type` names, or else in UTF-8. O(n).
    ///
    /// Throws ``HTTPError`` of kind `.unknownCharset` if `Content-Type` decides and names one that is not known.
    public func text(charset: HTTPCharset? = nil) throws(HTTPError) -> String {
        if let charset { return charset.decode(body) }
        do throws(HTTPError) {
            return (try headerFields.charset() ?? .utf8).decode(body)
        } catch {
            throw error.asUpstream
        }
    }
}

extension HTTPBodyReader {
    /// The whole body as text in `charset`; see ``collect(upTo:)``. The encoding that a response names is
    /// `try response.headerFields.charset() ?? .utf8`.
    public func text(charset: HTTPCharset, upTo maximum: Int) async throws -> String {
        charset.decode(try await collect(upTo: maximum))
    }
}
