import LeatLoop
import LeatNet
import LeatReactor

/// The way of a request: its head, and its body unless the server answers before that.
extension ClientExchange {
    /// Up to this size a body is sent in the same system call as the head.
    private static var copiedSize: Int { 16384 }

    /// Has the request sent over a connection if that needs no waiting. Otherwise returns false: ``finishSending()`` does the
    /// rest.
    func trySend(over connection: PooledConnection) throws -> Bool {
        use(connection)
        let http = connection.http
        http.parser.expectResponse(to: method)
        do throws(HTTPEncodingError) {
            try appendHead(to: http, connection.origin)
        } catch {
            throw HTTPError(.invalidRequest, "\(error)", underlying: error)
        }
        hasBegun = true
        times.observation?.note(.requestHeadSent)
        switch content.content {
        case .none:
            break
        case .bytes(let bytes) where travelsWithHead(bytes):
            http.output.append(bytes)
            times.observation?.note(.requestChunkSent(bytes: bytes.count))
        case .bytes, .stream:
            return false
        }
        http.flushLater()
        return true
    }

    private func travelsWithHead(_ body: [UInt8]) -> Bool {
        body.count <= Self.copiedSize && !headerFields.contains(.expect)
    }

    private func appendHead(to http: HTTPConnection, _ origin: OriginPool) throws(HTTPEncodingError) {
        if isPlain {
            return try HTTPEncoder.appendPlainRequestHead(
                method: method,
                target: url.path,
                lines: origin.plainLines,
                framing: framing,
                contentType: origin.plainLinesHaveContentType ? nil : content.contentTypeLine,
                to: &http.output
            )
        }
        try HTTPEncoder.appendRequestHead(
            method: method,
            target: origin.target(of: url),
            authority: origin.authority,
            headerFields: origin.fields(headerFields),
            framing: framing,
            contentType: content.contentTypeLine,
            to: &http.output
        )
    }

    /// Sends what ``trySend()`` could not, and stops if the server answers before it has everything.
    func finishSending() async throws {
        let http = http!
        http.inputStopsSending = { [unowned self] in try takeEarlyHead() }
        defer { http.inputStopsSending = nil }
        do {
            try await http.flush(timeout: times.readTimeout, deadline: times.deadline)
            if try await isAnsweredBeforeBody() { return }
            try await sendBody()
        } catch {
            // The server stopped listening. It may have said why: read its answer.
            guard hasHead || isReset(error) && http.socket.mayBeReadable else {
                throw times.describe(error, in: .send, limit: times.readTimeout, now: http.loop.now)
            }
            isCutShort = true
            http.output.removeAll()
        }
    }

    private func sendBody() async throws {
        switch content.content {
        case .bytes(let bytes) where !travelsWithHead(bytes):
            try await http.send(bytes, timeout: times.readTimeout, deadline: times.deadline)
            times.observation?.note(.requestChunkSent(bytes: bytes.count))
        case .stream(let produce):
            let writer = HTTPBodyWriter(http, framing: framing, times)
            // A stream that comes in drops is never stuck, where an answer is looked for; so look for a refusal.
            writer.isRefused = { [unowned self] in try takeEarlyHead() && self.status.code >= 400 }
            defer { writer.invalidate() }
            try await produce(writer)
            try writer.finish()
            try await http.flush(timeout: times.readTimeout, deadline: times.deadline)
        default:
            break
        }
    }

    /// Whether the final head of the response is there, although the request is still being sent.
    private func takeEarlyHead() throws -> Bool {
        while !hasHead {
            if case .head = try http.tryNext() {
                _ = try takeHead(http)
            } else {
                guard !http.sawEnd, try http.tryFill() else { break }
            }
        }
        return hasHead
    }

    /// A request with `Expect: 100-continue` holds its body back until the server says that it wants it, or says nothing for
    /// a second (RFC 9110 §10.1.1). Returns whether it was answered instead, and the body is not to be sent.
    private func isAnsweredBeforeBody() async throws -> Bool {
        guard headerFields.contains(token: "100-continue", in: .expect), framing != .none else { return false }
        let deadline = min(http.loop.clock.now.advanced(by: .seconds(1)), times.deadline)
        do {
            while try await http.fill(deadline: deadline) {
                guard case .head = try http.tryNext() else { continue }
                isCutShort = try takeHead(http)
                return isCutShort
            }
            throw HTTPError.peerClosed()
        } catch let error as NetworkError where error.kind == .timedOut {
            return false
        }
    }

    private var framing: HTTPBodyFraming {
        switch content.content {
        // A method whose requests usually have a body says that this one is empty (RFC 9110 §8.6).
        case .none: method != .get && (method == .post || method == .put || method == .patch) ? .length(0) : .none
        case .bytes(let bytes): .length(bytes.count)
        case .stream(let producer): producer.length.map { .length($0) } ?? .chunked
        }
    }
}
