/// A content coding that can be undone (RFC 9110 §8.4.1).
package enum ContentCoding: Hashable, Sendable {
    /// `gzip` or `x-gzip` (RFC 1952).
    case gzip
    /// `deflate`: the zlib format (RFC 1950), or bare deflate data (RFC 1951), which some servers send by mistake.
    case deflate

    /// What the `Content-Encoding` fields of a message say.
    package enum Listed: Hashable, Sendable {
        /// Coded in these ways, in the order in which it was done. Empty: not coded.
        case known([ContentCoding])
        /// Coded in a way that cannot be undone here: the first such name, in lower case.
        case unknown(String)
    }

    /// How many codings of one body are undone.
    package static let maximumChain = 2

    /// Reads `Content-Encoding`. Names are compared without regard to case; `identity` stands for no coding.
    /// Throws ``HTTPError`` of kind `.contentCoding` if more than ``maximumChain`` codings are listed.
    package static func listed(in fields: HTTPFields) throws(HTTPError) -> Listed {
        var codings: [ContentCoding] = []
        var unknown: String?
        var count = 0
        var next = fields.firstIndex(of: .contentEncoding)
        while let index = next {
            fields.withRawField(at: index) { _, value in
                ASCII.forEachListElement(value.baseAddress!, value.count) { name, length in
                    if length == 0 || ASCII.equalsIgnoringCase(name, length, "identity") { return }
                    count += 1
                    if ASCII.equalsIgnoringCase(name, length, "gzip")
                        || ASCII.equalsIgnoringCase(name, length, "x-gzip")
                    {
                        codings.append(.gzip)
                    } else if ASCII.equalsIgnoringCase(name, length, "deflate") {
                        codings.append(.deflate)
                    } else if unknown == nil {
                        let bytes = UnsafeRawBufferPointer(start: name, count: length)
                        unknown = String(decoding: bytes.lazy.map(ASCII.lowercase), as: UTF8.self)
                    }
                }
            }
            next = fields.firstIndex(of: .contentEncoding, from: index + 1)
        }
        if let unknown { return .unknown(unknown) }
        guard count <= maximumChain else {
            throw HTTPError(.contentCoding, "the body is coded \(count) times; at most \(maximumChain) are undone")
        }
        return .known(codings)
    }
}
