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
    ///   - authority: What `Host` says, unless there is one among the fields.
    ///   - framing: `.length` and `.chunked` announce a body; anything else announces none.
    ///   - contentType: What the body is, unless a field says it.
    ///   - connection: What to say in `Connection`, besides what the fields say.
    ///   - output: Unchanged if this throws.
    package static func appendRequestHead<Sink: ByteSink & ~Copyable>(
        method: HTTPRequest.Method,
        target: String,
        authority requestAuthority: String?,
        headerFields: HTTPFields,
        framing: HTTPBodyFraming,
        contentType: HTTPContentTypeLine? = nil,
        connection: HTTPConnectionOption = .unstated,
        to output: inout Sink
    ) throws(HTTPEncodingError) {
        let method = method.rawValue
        if !isToken(method) { throw HTTPEncodingError(.invalidMethod) }
        if let offset = firstNonTarget(target) { throw HTTPEncodingError(.invalidTarget, offset: offset) }
        let sent = try FramingFields(checking: headerFields, framing: framing, mayDescribeAbsentBody: false)
        var authority: String?
        if !sent.hasHost {
            guard let own = requestAuthority, !own.isEmpty else { throw HTTPEncodingError(.missingAuthority) }
            if let offset = firstInvalidInAuthority(own) { throw HTTPEncodingError(.invalidAuthority, offset: offset) }
            authority = own
        }

        let lines = try Lines(headerFields, sent, framing, contentType, connection, [])
        let room = method.utf8.count + target.utf8.count + (authority?.utf8.count ?? 0) + lines.room + 32
        output.append(atMost: room) { writer in
            writer.write(method)
            writer.write(" ")
            writer.write(target)
            writer.write(" HTTP/1.1\r\n")
            if let authority {
                writer.write("Host: ")
                writer.write(authority)
                writer.write("\r\n")
            }
            lines.write(to: &writer)
        }
    }

    /// Appends the head of a request without fields of its own. That the method is a token its type says.
    ///
    /// - Parameters:
    ///   - lines: Complete field lines, `Host` first, known to be valid.
    ///   - contentType: What the body is, unless `lines` say it.
    ///   - output: Unchanged if this throws.
    package static func appendPlainRequestHead<Sink: ByteSink & ~Copyable>(
        method: HTTPRequest.Method,
        target: String,
        lines: [UInt8],
        framing: HTTPBodyFraming,
        contentType: HTTPContentTypeLine? = nil,
        to output: inout Sink
    ) throws(HTTPEncodingError) {
        let method = method.rawValue
        assert(isToken(method))
        if let offset = firstNonTarget(target) { throw HTTPEncodingError(.invalidTarget, offset: offset) }
        if let error = contentType?.fault() { throw error }
        let room = method.utf8.count + target.utf8.count + lines.count + (contentType?.count ?? 0) + 160
        output.append(atMost: room) { writer in
            writer.write(method)
            writer.write(" ")
            writer.write(target)
            writer.write(" HTTP/1.1\r\n")
            lines.withUnsafeBytes { writer.write($0) }
            contentType?.withBytes { writer.write($0) }
            writer.write(framing)
            writer.write("\r\n")
        }
    }

    /// Appends a response head, in the form of HTTP/1.1, which is what a server sends whatever the client's version.
    ///
    /// - Parameters:
    ///   - framing: `.length` and `.chunked` announce the body. `.none` is for responses which have none by their
    ///     nature; an empty body is `.length(0)`. For a response to `HEAD`, the framing the body would have.
    ///     1xx and 204 announce nothing, whatever the framing (RFC 9110 §8.6, RFC 9112 §6.1).
    ///   - contentType: What the body is, unless a field says it, or there is no body.
    ///   - connection: What to say in `Connection`, besides what the fields say.
    ///   - additionalLines: Complete field lines, known to be valid, to send after the others: a cached `Date`.
    ///   - output: Unchanged if this throws.
    package static func appendResponseHead<Sink: ByteSink & ~Copyable>(
        _ response: HTTPResponse,
        framing: HTTPBodyFraming,
        contentType: HTTPContentTypeLine? = nil,
        connection: HTTPConnectionOption = .unstated,
        additionalLines: [UInt8] = [],
        to output: inout Sink
    ) throws(HTTPEncodingError) {
        let code = response.status.code
        guard (100...999).contains(code) else { throw HTTPEncodingError(.invalidStatusCode) }
        let phrase = response.status.reasonPhrase
        if !response.status.hasUsualPhrase, let offset = firstNonFieldValue(phrase) {
            throw HTTPEncodingError(.invalidReasonPhrase, offset: offset)
        }
        let framing = code < 200 || code == 204 ? .none : framing
        let sent = try FramingFields(
            checking: response.headerFields,
            framing: framing,
            mayDescribeAbsentBody: code == 304
        )

        let type = framing == .none ? nil : contentType
        let lines = try Lines(response.headerFields, sent, framing, type, connection, additionalLines)
        output.append(atMost: phrase.utf8.count + lines.room + 32) { writer in
            writer.write("HTTP/1.1 ")
            writer.write(decimal: code)
            writer.write(" ")
            writer.write(phrase)
            writer.write("\r\n")
            lines.write(to: &writer)
        }
    }
}

/// What follows the start line: the fields of the user, those of the body, the framing and the connection, and the empty line.
private struct Lines {
    private let fields: HTTPFields
    private let contentType: HTTPContentTypeLine?
    private let framing: HTTPBodyFraming
    private let connection: HTTPConnectionOption
    private let additional: [UInt8]

    init(
        _ fields: HTTPFields,
        _ sent: FramingFields,
        _ framing: HTTPBodyFraming,
        _ contentType: HTTPContentTypeLine?,
        _ connection: HTTPConnectionOption,
        _ additional: [UInt8]
    ) throws(HTTPEncodingError) {
        self.fields = fields
        self.contentType = sent.hasContentType ? nil : contentType
        if let error = self.contentType?.fault() { throw error }
        self.framing = sent.hasContentLength || sent.hasTransferEncoding ? .none : framing
        self.connection = connection
        self.additional = additional
    }

    /// No fewer octets than `write` writes; the fixed lines have at most 64.
    var room: Int { fields.byteCount + (contentType?.count ?? 0) + additional.count + 128 }

    @inline(__always)
    func write(to writer: inout ByteWriter) {
        fields.withBytes { writer.write($0) }
        contentType?.withBytes { writer.write($0) }
        writer.write(framing)
        switch connection {
        case .unstated: break
        case .close: writer.write("Connection: close\r\n")
        case .keepAlive: writer.write("Connection: keep-alive\r\n")
        }
        additional.withUnsafeBytes { writer.write($0) }
        writer.write("\r\n")
    }
}

extension ByteWriter {
    /// Writes the field that announces a body.
    @inline(__always)
    fileprivate mutating func write(_ framing: HTTPBodyFraming) {
        switch framing {
        case .length(let length):
            write("Content-Length: ")
            write(decimal: length)
            write("\r\n")
        case .chunked:
            write("Transfer-Encoding: chunked\r\n")
        default:
            break
        }
    }
}

// MARK: - The chunked coding (RFC 9112 §7.1)

extension HTTPEncoder {
    /// Appends the line before the data of a chunk. A chunk of size zero would end the body, so there must be data.
    package static func appendChunkHeader<Sink: ByteSink & ~Copyable>(size: Int, to output: inout Sink) {
        precondition(size > 0, "an empty chunk ends the body")
        output.append(atMost: 18) { writer in
            writer.write(hexadecimal: size)
            writer.write("\r\n")
        }
    }

    /// Appends what follows the data of a chunk.
    package static func appendChunkEnd<Sink: ByteSink & ~Copyable>(to output: inout Sink) {
        output.append(atMost: 2) { $0.write("\r\n") }
    }

    /// Checks fields that are to stand behind a body.
    static func check(trailers: HTTPFields) throws(HTTPEncodingError) {
        for index in trailers.indices {
            if let error = FramingFields.fault(in: trailers, at: index) { throw error }
            let isForbidden =
                trailers.matches(.contentLength, at: index) || trailers.matches(.transferEncoding, at: index)
                || trailers.matches(.host, at: index)
            if isForbidden {
                throw HTTPEncodingError(.forbiddenTrailer, fieldName: trailers.name(at: index).rawName)
            }
        }
    }

    /// Appends the last chunk, the trailer fields and the end of the body. `output` is unchanged if this throws.
    package static func appendLastChunk<Sink: ByteSink & ~Copyable>(
        trailers: HTTPFields = HTTPFields(),
        to output: inout Sink
    ) throws(HTTPEncodingError) {
        try check(trailers: trailers)
        output.append(atMost: trailers.byteCount + 5) { writer in
            writer.write("0\r\n")
            trailers.withBytes { writer.write($0) }
            writer.write("\r\n")
        }
    }
}

// MARK: - Checks

extension HTTPEncoder {
    private static func isToken(_ text: String) -> Bool {
        text.withBytes { bytes in bytes.baseAddress.map { ASCII.isToken($0, bytes.count) } ?? false }
    }

    private static func firstNonTarget(_ text: String) -> Int? {
        text.withBytes { bytes in
            guard let start = bytes.baseAddress, !bytes.isEmpty else { return 0 }
            return ASCII.firstNonTarget(start, bytes.count)
        }
    }

    private static func firstNonFieldValue(_ text: String) -> Int? {
        text.withBytes { bytes in bytes.baseAddress.flatMap { ASCII.firstNonFieldValue($0, bytes.count) } }
    }

    private static func firstInvalidInAuthority(_ text: String) -> Int? {
        text.withBytes { firstInvalidInAuthority($0) }
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
