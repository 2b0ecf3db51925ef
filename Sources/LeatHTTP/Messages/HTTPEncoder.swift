/// What a head says about the connection.
package enum HTTPConnectionOption: UInt8, Hashable, Sendable {
    /// Nothing: HTTP/1.1 connections persist.
    case unstated
    /// `Connection: close`.
    case close
    /// `Connection: keep-alive`, which an HTTP/1.0 peer needs to be told.
    case keepAlive
}

/// Turns heads, chunks and trailers into bytes.
///
/// This is the one place through which every octet of a head passes on its way out, so it checks them all: whatever a
/// user put into a method, path, authority, reason phrase, field name or value cannot end the line it stands in
/// (CVE-2022-3215, CVE-2026-28970). All checks come before the first octet is written, so a head is appended whole or
/// not at all. Fields which frame the body come from the `framing` argument; a user may only repeat what it says.
package enum HTTPEncoder {
    /// Appends a request head.
    ///
    /// - Parameters:
    ///   - request: `path` is the target; nil stands for `/`, or for `CONNECT` for the authority. A `Host` among the
    ///     fields takes the place of `authority`.
    ///   - framing: `.length` and `.chunked` announce a body; anything else announces none.
    ///   - connection: What to say in `Connection`, besides what the fields say.
    ///   - additionalLines: Complete field lines, known to be valid, to send after the others.
    ///   - output: Unchanged if this throws.
    package static func appendRequestHead(
        _ request: HTTPRequest,
        framing: HTTPBodyFraming,
        connection: HTTPConnectionOption = .unstated,
        additionalLines: [UInt8] = [],
        to output: inout [UInt8]
    ) throws(HTTPEncodingError) {
        let method = request.method.rawValue
        if !isToken(method) { throw HTTPEncodingError(.invalidMethod) }
        let target = request.path ?? (request.method == .connect ? request.authority ?? "" : "/")
        if let offset = firstNonTarget(target) { throw HTTPEncodingError(.invalidTarget, offset: offset) }
        let sent = try FramingFields(checking: request.headerFields, framing: framing, mayDescribeAbsentBody: false)
        var authority: String?
        if !sent.hasHost {
            guard let own = request.authority, !own.isEmpty else { throw HTTPEncodingError(.missingAuthority) }
            if let offset = firstInvalidInAuthority(own) { throw HTTPEncodingError(.invalidAuthority, offset: offset) }
            authority = own
        }

        append(method, to: &output)
        output.append(ASCII.space)
        append(target, to: &output)
        append(" HTTP/1.1\r\n", to: &output)
        if let authority {
            append("Host: ", to: &output)
            append(authority, to: &output)
            append("\r\n", to: &output)
        }
        appendFields(request.headerFields, sent, framing, connection, additionalLines, to: &output)
    }

    /// Appends a response head, in the form of HTTP/1.1, which is what a server sends whatever the client's version.
    ///
    /// - Parameters:
    ///   - framing: `.length` and `.chunked` announce the body. `.none` is for responses which have none by their
    ///     nature; an empty body is `.length(0)`. For a response to `HEAD`, the framing the body would have.
    ///     1xx and 204 announce nothing, whatever the framing (RFC 9110 §8.6, RFC 9112 §6.1).
    ///   - connection: What to say in `Connection`, besides what the fields say.
    ///   - additionalLines: Complete field lines, known to be valid, to send after the others: a cached `Date`.
    ///   - output: Unchanged if this throws.
    package static func appendResponseHead(
        _ response: HTTPResponse,
        framing: HTTPBodyFraming,
        connection: HTTPConnectionOption = .unstated,
        additionalLines: [UInt8] = [],
        to output: inout [UInt8]
    ) throws(HTTPEncodingError) {
        let code = response.status.code
        guard (100...999).contains(code) else { throw HTTPEncodingError(.invalidStatusCode) }
        let phrase = response.status.reasonPhrase
        if let offset = firstNonFieldValue(phrase) { throw HTTPEncodingError(.invalidReasonPhrase, offset: offset) }
        let framing = code < 200 || code == 204 ? .none : framing
        let sent = try FramingFields(
            checking: response.headerFields,
            framing: framing,
            mayDescribeAbsentBody: code == 304
        )

        append("HTTP/1.1 ", to: &output)
        appendDecimal(code, to: &output)
        output.append(ASCII.space)
        append(phrase, to: &output)
        append("\r\n", to: &output)
        appendFields(response.headerFields, sent, framing, connection, additionalLines, to: &output)
    }

    private static func appendFields(
        _ fields: HTTPFields,
        _ sent: FramingFields,
        _ framing: HTTPBodyFraming,
        _ connection: HTTPConnectionOption,
        _ additionalLines: [UInt8],
        to output: inout [UInt8]
    ) {
        output.append(contentsOf: fields.bytes)
        switch framing {
        case .length(let length) where !sent.hasContentLength:
            append("Content-Length: ", to: &output)
            appendDecimal(length, to: &output)
            append("\r\n", to: &output)
        case .chunked where !sent.hasTransferEncoding:
            append("Transfer-Encoding: chunked\r\n", to: &output)
        default:
            break
        }
        switch connection {
        case .unstated: break
        case .close: append("Connection: close\r\n", to: &output)
        case .keepAlive: append("Connection: keep-alive\r\n", to: &output)
        }
        output.append(contentsOf: additionalLines)
        append("\r\n", to: &output)
    }
}

// MARK: - The chunked coding (RFC 9112 §7.1)

extension HTTPEncoder {
    /// Appends the line before the data of a chunk. A chunk of size zero would end the body, so there must be data.
    package static func appendChunkHeader(size: Int, to output: inout [UInt8]) {
        precondition(size > 0, "an empty chunk ends the body")
        appendHexadecimal(size, to: &output)
        append("\r\n", to: &output)
    }

    /// Appends what follows the data of a chunk.
    package static func appendChunkEnd(to output: inout [UInt8]) {
        append("\r\n", to: &output)
    }

    /// Appends the last chunk, the trailer fields and the end of the body. `output` is unchanged if this throws.
    package static func appendLastChunk(
        trailers: HTTPFields = HTTPFields(),
        to output: inout [UInt8]
    ) throws(HTTPEncodingError) {
        for index in trailers.entries.indices {
            try checkField(trailers, at: index)
            for name in [HTTPField.Name.contentLength, .transferEncoding, .host] where trailers.matches(name, at: index)
            {
                throw HTTPEncodingError(.forbiddenTrailer, fieldName: name.rawName)
            }
        }
        append("0\r\n", to: &output)
        output.append(contentsOf: trailers.bytes)
        append("\r\n", to: &output)
    }
}

// MARK: - Checks

extension HTTPEncoder {
    /// Checks the bytes of one field.
    @inline(__always)
    static func checkField(_ fields: HTTPFields, at index: Int) throws(HTTPEncodingError) {
        let fault: (HTTPEncodingError.Kind, Int)? = fields.withRawField(at: index) { name, value in
            if !ASCII.isToken(name.baseAddress!, name.count) { return (.invalidFieldName, 0) }
            if let offset = ASCII.firstNonFieldValue(value.baseAddress!, value.count) {
                return (.invalidFieldValue, offset)
            }
            return nil
        }
        guard let (kind, offset) = fault else { return }
        let name = kind == .invalidFieldName ? nil : fields.name(at: index).rawName
        throw HTTPEncodingError(kind, fieldName: name, offset: offset)
    }

    private static func isToken(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { $0.baseAddress.map { [count = $0.count] in ASCII.isToken($0, count) } ?? false }
    }

    private static func firstNonTarget(_ text: String) -> Int? {
        var text = text
        return text.withUTF8 { utf8 in
            guard let start = utf8.baseAddress, !utf8.isEmpty else { return 0 }
            return ASCII.firstNonTarget(start, utf8.count)
        }
    }

    private static func firstNonFieldValue(_ text: String) -> Int? {
        var text = text
        return text.withUTF8 { utf8 in
            guard let start = utf8.baseAddress else { return nil }
            return ASCII.firstNonFieldValue(start, utf8.count)
        }
    }

    private static func firstInvalidInAuthority(_ text: String) -> Int? {
        var text = text
        return text.withUTF8 { firstInvalidInAuthority(UnsafeRawBufferPointer($0)) }
    }

    /// The octet at which the bytes are no `host [":" port]`, or nil if they are one.
    static func firstInvalidInAuthority(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard let start = bytes.baseAddress else { return 0 }
        do throws(Authority.SyntaxError) {
            _ = try Authority(parsing: start, bytes.count)
            return nil
        } catch {
            return error.offset
        }
    }
}

/// Which of the fields that frame a message its user has given; all fields have been checked.
private struct FramingFields {
    var hasHost = false
    var hasContentLength = false
    var hasTransferEncoding = false

    /// - Parameter mayDescribeAbsentBody: Whether Content-Length may stand where no body follows, as in a 304.
    init(
        checking fields: HTTPFields,
        framing: HTTPBodyFraming,
        mayDescribeAbsentBody: Bool
    ) throws(HTTPEncodingError) {
        for index in fields.entries.indices {
            try HTTPEncoder.checkField(fields, at: index)
            switch fields.entries[index].nameLength {
            case 4 where fields.matches(.host, at: index):
                if hasHost { throw HTTPEncodingError(.duplicateHost, fieldName: "Host") }
                hasHost = true
                let offset = fields.withRawField(at: index) { HTTPEncoder.firstInvalidInAuthority($1) }
                if let offset { throw HTTPEncodingError(.invalidHost, fieldName: "Host", offset: offset) }
            case 14 where fields.matches(.contentLength, at: index):
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
            case 17 where fields.matches(.transferEncoding, at: index):
                let isChunked = fields.withRawField(at: index) {
                    ASCII.equalsIgnoringCase($1.baseAddress!, $1.count, "chunked")
                }
                guard isChunked, framing == .chunked, !hasTransferEncoding else {
                    throw HTTPEncodingError(.conflictingTransferEncoding, fieldName: "Transfer-Encoding")
                }
                hasTransferEncoding = true
            default:
                break
            }
        }
    }
}
