/// The line `Content-Type: …`, with its end, that a body brings along. That of a common type is a constant of the program.
package enum HTTPContentTypeLine: Sendable {
    case common(HTTPContentType)
    /// The complete line. Its value is checked by the encoder, like that of any field.
    case custom([UInt8])

    /// Calls `body` with the octets of the line.
    @inline(__always)
    package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        switch self {
        case .common(let type):
            let line = type.line
            return body(UnsafeRawBufferPointer(start: line.utf8Start, count: line.utf8CodeUnitCount))
        case .custom(let line):
            return line.withUnsafeBytes { body($0) }
        }
    }

    package var count: Int { withBytes { $0.count } }

    /// Where the value stands in a line.
    static func valueRange(of line: [UInt8]) -> Range<Int> { "Content-Type: ".utf8.count..<line.count - 2 }

    /// What forbids to send it.
    func fault() -> HTTPEncodingError? {
        guard case .custom(let line) = self else { return nil }
        let range = Self.valueRange(of: line)
        let offset = line.withUnsafeBytes { ASCII.firstNonFieldValue($0.baseAddress!, range) }
        return offset.map {
            HTTPEncodingError(.invalidFieldValue, fieldName: "Content-Type", offset: $0 - range.lowerBound)
        }
    }
}
