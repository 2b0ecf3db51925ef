/// Why a received message was refused, and where.
///
/// For the same bytes the error is the same, however they were split into reads. A class, so that what may throw it carries one word
/// and not five.
package final class HTTPParseError: Error, Equatable, Sendable {
    package enum Kind: UInt8, Hashable, Sendable, CaseIterable {
        // Limits.
        case startLineTooLong, fieldLineTooLong, headTooLarge, tooManyFields, trailersTooLarge
        case chunkExtensionsTooLarge, tooManyInterimResponses
        // Lines.
        case bareLineFeed, emptyStartLine, unexpectedStart
        // The request line and the status line.
        case invalidMethod, methodTooLong, invalidTarget, invalidVersion, unsupportedVersion
        case invalidStatusLine, invalidStatusCode, invalidReasonPhrase
        // Field lines.
        case missingColon, emptyFieldName, invalidFieldName, whitespaceBeforeColon, lineFolding, invalidFieldValue
        // Framing.
        case invalidContentLength, duplicateContentLength, lengthAndTransferEncoding
        case invalidTransferEncoding, unsupportedTransferCoding, transferEncodingInHTTP10
        case missingHost, duplicateHost, invalidHost
        // The chunked coding.
        case invalidChunkSize, invalidChunkExtension, missingChunkEnd, forbiddenTrailer
        // The connection ended within a message; the parser had failed before.
        case truncated, failedBefore
    }

    /// The part of the message.
    package enum Place: UInt8, Hashable, Sendable {
        case startLine, field, head, chunk, trailer, body
    }

    /// What is wrong.
    package let kind: Kind
    /// Where it is.
    package let place: Place
    /// The line within the head or the trailer section, from 1, or the number of the chunk, from 1; 0 if unknown.
    package let number: Int
    /// The octet within the line, from 0.
    package let offset: Int
    /// The field's name, if it has a valid one.
    package let fieldName: String?

    init(_ kind: Kind, _ place: Place, number: Int, offset: Int = 0, fieldName: String? = nil) {
        self.kind = kind
        self.place = place
        self.number = number
        self.offset = offset
        self.fieldName = fieldName
    }

    package static func == (left: HTTPParseError, right: HTTPParseError) -> Bool {
        left.kind == right.kind && left.place == right.place && left.number == right.number
            && left.offset == right.offset && left.fieldName == right.fieldName
    }

    /// The status with which a server answers before it closes the connection.
    package var suggestedStatus: HTTPResponse.Status {
        switch kind {
        case .startLineTooLong: .uriTooLong
        case .fieldLineTooLong, .headTooLarge, .tooManyFields, .trailersTooLarge: .requestHeaderFieldsTooLarge
        case .methodTooLong, .unsupportedTransferCoding: .notImplemented
        case .unsupportedVersion: .httpVersionNotSupported
        default: .badRequest
        }
    }
}

extension HTTPParseError: CustomStringConvertible {
    package var description: String {
        "\(reason) (\(whereabouts))"
    }

    private var whereabouts: String {
        let field = fieldName.map { " “\($0)”" } ?? ""
        return switch place {
        case .startLine: "line \(number) of the head, octet \(offset)"
        case .field: "field\(field) in line \(number) of the head, octet \(offset)"
        case .head: "in the head"
        case .chunk: "chunk \(number), octet \(offset) of its first line"
        case .trailer: "trailer\(field) in line \(number) of the trailer section, octet \(offset)"
        case .body: "in the body"
        }
    }

    private var reason: String {
        switch kind {
        case .startLineTooLong: "the start line is longer than the limit"
        case .fieldLineTooLong: "a field line is longer than the limit"
        case .headTooLarge: "the head is larger than the limit"
        case .tooManyFields: "there are more fields than the limit"
        case .trailersTooLarge: "the trailer section is larger than the limit"
        case .chunkExtensionsTooLarge: "the chunk extensions of the body are larger than the limit"
        case .tooManyInterimResponses: "more interim responses than the limit came before the final one"
        case .bareLineFeed: "a line ends with LF alone, not with CR LF"
        case .emptyStartLine: "an empty line stands where a request should start"
        case .unexpectedStart: "the first octet cannot start an HTTP/1 message"
        case .invalidMethod: "the method is not a token"
        case .methodTooLong: "the method is longer than any known one"
        case .invalidTarget: "the request target is not valid"
        case .invalidVersion: "the version is not of the form HTTP/1.1"
        case .unsupportedVersion: "the HTTP version is not supported"
        case .invalidStatusLine: "the status line is not valid"
        case .invalidStatusCode: "the status code is not a number from 100 to 999"
        case .invalidReasonPhrase: "the reason phrase contains a control character"
        case .missingColon: "a field line has no colon"
        case .emptyFieldName: "a field line has no name"
        case .invalidFieldName: "a field name is not a token"
        case .whitespaceBeforeColon: "white space stands between a field name and the colon"
        case .lineFolding: "a field line starts with white space"
        case .invalidFieldValue: "a field value contains a control character"
        case .invalidContentLength: "Content-Length is not a single decimal number"
        case .duplicateContentLength: "there is more than one Content-Length"
        case .lengthAndTransferEncoding: "both Content-Length and Transfer-Encoding are present"
        case .invalidTransferEncoding: "Transfer-Encoding is not “chunked”, once"
        case .unsupportedTransferCoding: "Transfer-Encoding names a coding other than “chunked”"
        case .transferEncodingInHTTP10: "Transfer-Encoding is present in an HTTP/1.0 message"
        case .missingHost: "Host is missing"
        case .duplicateHost: "there is more than one Host"
        case .invalidHost: "Host is not a valid host and port"
        case .invalidChunkSize: "the chunk size is not a hexadecimal number of 1 to 16 digits"
        case .invalidChunkExtension: "the chunk extension is not valid"
        case .missingChunkEnd: "CR LF does not follow the data of a chunk"
        case .forbiddenTrailer: "a field that decides the framing or routing stands in the trailer section"
        case .truncated: "the connection ended within a message"
        case .failedBefore: "the message was refused before"
        }
    }
}
