/// The check of every field that is to be sent, and what it finds about those that frame the message or describe its body.
struct FramingFields {
    private(set) var hasHost = false
    private(set) var hasContentType = false
    private(set) var hasContentLength = false
    private(set) var hasTransferEncoding = false

    /// Checks the bytes of all fields, and that those about framing say what `framing` says.
    ///
    /// - Parameter mayDescribeAbsentBody: Whether Content-Length may stand where no body follows, as in a 304.
    init(
        checking fields: HTTPFields,
        framing: HTTPBodyFraming,
        mayDescribeAbsentBody: Bool
    ) throws(HTTPEncodingError) {
        for index in fields.indices {
            if let error = Self.fault(in: fields, at: index) { throw error }
            switch fields.nameLength(at: index) {
            case 4 where fields.matches(.host, at: index):
                try noteHost(fields, at: index)
            case 12 where fields.matches(.contentType, at: index):
                hasContentType = true
            case 14 where fields.matches(.contentLength, at: index):
                try noteContentLength(fields, at: index, framing, mayDescribeAbsentBody)
            case 17 where fields.matches(.transferEncoding, at: index):
                try noteTransferEncoding(fields, at: index, framing)
            default:
                break
            }
        }
    }

    /// What forbids to send the field at `index`.
    @inline(__always)
    static func fault(in fields: HTTPFields, at index: Int) -> HTTPEncodingError? {
        fields.withRawField(at: index) { name, value in
            if !ASCII.isToken(name.baseAddress!, name.count) { return HTTPEncodingError(.invalidFieldName) }
            guard let offset = ASCII.firstNonFieldValue(value.baseAddress!, value.count) else { return nil }
            return HTTPEncodingError(
                .invalidFieldValue,
                fieldName: String(decoding: name, as: UTF8.self),
                offset: offset
            )
        }
    }

    private mutating func noteHost(_ fields: HTTPFields, at index: Int) throws(HTTPEncodingError) {
        if hasHost { throw HTTPEncodingError(.duplicateHost, fieldName: "Host") }
        hasHost = true
        let offset = fields.withRawField(at: index) { HTTPEncoder.firstInvalidInAuthority($1) }
        if let offset { throw HTTPEncodingError(.invalidHost, fieldName: "Host", offset: offset) }
    }

    private mutating func noteContentLength(
        _ fields: HTTPFields,
        at index: Int,
        _ framing: HTTPBodyFraming,
        _ mayDescribeAbsentBody: Bool
    ) throws(HTTPEncodingError) {
        let stated = fields.withRawField(at: index) { ASCII.decimal($1.baseAddress!, $1.count) }
        let isRight =
            switch framing {
            case .length(let length): stated == length
            case .none: mayDescribeAbsentBody && stated != nil
            default: false
            }
        guard isRight, !hasContentLength else {
            throw HTTPEncodingError(.conflictingContentLength, fieldName: "Content-Length")
        }
        hasContentLength = true
    }

    private mutating func noteTransferEncoding(
        _ fields: HTTPFields,
        at index: Int,
        _ framing: HTTPBodyFraming
    ) throws(HTTPEncodingError) {
        let isChunked = fields.withRawField(at: index) {
            ASCII.equalsIgnoringCase($1.baseAddress!, $1.count, "chunked")
        }
        guard isChunked, framing == .chunked, !hasTransferEncoding else {
            throw HTTPEncodingError(.conflictingTransferEncoding, fieldName: "Transfer-Encoding")
        }
        hasTransferEncoding = true
    }
}
