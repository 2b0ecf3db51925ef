import LeatLoop
import LeatNet
import LeatReactor

/// Answers that need no waiting. Nearly all are of this kind.
extension ServerExchange {
    /// Buffers the answer to the request, if the whole request has been received and the whole answer is there. Otherwise it does
    /// nothing and returns false.
    @inline(__always)
    func answer(
        _ request: borrowing HTTPRequest,
        _ response: borrowing HTTPServerResponse,
        _ body: HTTPBodyReader
    ) -> Bool {
        guard !facts.hasBody || body.discardReceived() else { return false }
        if facts.keepsAlive, facts.isHTTP11, !isLast, writePlain(response) {
            if facts.hasBody { body.invalidate() }
            if !isFlushPending { flushLater() }
            return true
        }
        return answerExactly(copy request, copy response, body)
    }

    /// Whether this answer is the last of its connection because the server is ending. It is not if more requests have arrived
    /// behind it: those are answered first.
    @inline(__always)
    var isLast: Bool {
        serverReference._withUnsafeGuaranteedRef { $0.isShuttingDown } && window.isEmpty
    }

    // MARK: The short way

    /// Writes a response if nothing about it is unusual. Otherwise it writes nothing and returns false.
    @inline(__always)
    private func writePlain(_ response: borrowing HTTPServerResponse) -> Bool {
        let traits = response.headerFields.traits
        let code = response.status.code
        guard traits.isDisjoint(with: [.framing, .unchecked]), code >= 200, code < 600, code != 204, code != 304
        else { return false }
        switch response.body.content {
        case .none:
            return write(response, traits, UnsafeRawBufferPointer(start: nil, count: 0))
        case .bytes(let bytes):
            return bytes.count <= Self.copiedSize && bytes.withUnsafeBytes { write(response, traits, $0) }
        case .stream:
            return false
        }
    }

    @inline(__always)
    private func write(
        _ response: borrowing HTTPServerResponse,
        _ traits: HTTPFieldStorage.Traits,
        _ body: UnsafeRawBufferPointer
    ) -> Bool {
        guard response.status.hasUsualPhrase else { return false }
        var type: StaticString = ""
        if !traits.contains(.contentType), let line = response.body.contentTypeLine {
            guard case .common(let common) = line else { return false }
            type = common.line
        }
        let code = response.status.code
        response.headerFields.withBytes { fields in
            output.append(atMost: 256 + fields.count + type.utf8CodeUnitCount + body.count) { writer in
                if code == 200 { writer.write("HTTP/1.1 200 OK\r\n") } else { Self.writeStatus(code, &writer) }
                writer.write(fields)
                if type.utf8CodeUnitCount > 0 { writer.write(type) }
                writer.write("Content-Length: ")
                writer.write(decimal: body.count)
                writer.write("\r\n")
                if !traits.contains(.date) { writer.write(date.bytes(now: loop.now)) }
                writer.write("\r\n")
                if !facts.isHead { writer.write(body) }
            }
        }
        return true
    }

    /// Writes a status line. The longest usual phrase fits into the room that was reserved.
    @inline(never)
    private static func writeStatus(_ code: Int, _ writer: inout ByteWriter) {
        writer.write("HTTP/1.1 ")
        writer.write(decimal: code)
        writer.write(" ")
        writer.write(HTTPResponse.Status.standardReasonPhrase(for: code))
        writer.write("\r\n")
    }

    // MARK: The exact way

    /// As ``answer(_:_:)``, but for any response that fits into the buffer, including one that ends the connection.
    @inline(never)
    private func answerExactly(
        _ request: HTTPRequest,
        _ response: HTTPServerResponse,
        _ body: HTTPBodyReader
    ) -> Bool {
        switch response.body.content {
        case .stream: return false
        case .bytes(let bytes) where bytes.count > Self.flushSize: return false
        default: break
        }
        guard response.status.code >= 200 else { return false }
        body.invalidate()
        let framing = framing(of: response)
        let keepsAlive = mayGoOn(after: response) && framing != .untilClose
        if appendHead(response, to: request, framing, keepsAlive: keepsAlive), !facts.isHead, framing != .none,
            case .bytes(let bytes) = response.body.content
        {
            output.append(bytes)
        }
        conclude(keepsAlive: keepsAlive)
        return true
    }

    /// Whether the connection can serve another request after this response, if all of the request is received.
    func mayGoOn(after response: HTTPServerResponse) -> Bool {
        facts.keepsAlive && !isLast && !response.headerFields.contains(token: "close", in: .connection)
    }

    /// A response is buffered.
    func conclude(keepsAlive: Bool) {
        if !keepsAlive { end(.completed) }
        if !isFlushPending { flushLater() }
    }

    func framing(of response: HTTPServerResponse) -> HTTPBodyFraming {
        // These never have a body, nor fields that describe one (RFC 9110 §6.4.1, §8.6).
        let code = response.status.code
        if code == 204 || code == 304 || (100..<200).contains(code) { return .none }
        if let length = response.body.length { return .length(length) }
        return facts.isHTTP11 ? .chunked : .untilClose
    }

    /// Buffers the head of a response, and returns true. If the head cannot be sent as it is, it tells `onError`, buffers a 500
    /// in its place, and returns false.
    func appendHead(
        _ response: HTTPServerResponse,
        to request: HTTPRequest,
        _ framing: HTTPBodyFraming,
        keepsAlive: Bool
    ) -> Bool {
        do throws(HTTPEncodingError) {
            try tryAppendHead(response, framing, keepsAlive: keepsAlive)
            return true
        } catch {
            server.requestFailed(self, request, error)
            appendEmpty(.internalServerError, keepsAlive: keepsAlive)
            return false
        }
    }

    /// Buffers an answer of Leat's own, without a body.
    func appendEmpty(_ status: HTTPResponse.Status, headerFields: HTTPFields = HTTPFields(), keepsAlive: Bool) {
        substitute = status
        let response = HTTPServerResponse(status: status, headerFields: headerFields)
        guard (try? tryAppendHead(response, .length(0), keepsAlive: keepsAlive)) != nil else {
            preconditionFailure("an answer of Leat's own can be sent")
        }
    }

    private func tryAppendHead(
        _ response: HTTPServerResponse,
        _ framing: HTTPBodyFraming,
        keepsAlive: Bool
    ) throws(HTTPEncodingError) {
        let saysClose = response.headerFields.contains(token: "close", in: .connection)
        let connection: HTTPConnectionOption =
            if !keepsAlive { saysClose ? .unstated : .close } else if !facts.isHTTP11 { .keepAlive } else { .unstated }
        try HTTPEncoder.appendResponseHead(
            HTTPResponse(status: response.status, headerFields: response.headerFields),
            framing: framing,
            contentType: response.body.contentTypeLine,
            connection: connection,
            additionalLines: response.headerFields.contains(.date) ? [] : date.line(now: loop.now),
            to: &output
        )
    }
}
