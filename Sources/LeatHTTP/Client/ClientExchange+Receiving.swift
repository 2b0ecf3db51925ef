import LeatLoop
import LeatNet
import LeatReactor

/// The way of a response: its head, and its body, collected or handed on in pieces.
extension ClientExchange {
    var hasResponseBegun: Bool { http.map { $0.bytesReceived > receivedBefore } ?? false }

    /// The longest wait for the next bytes, in nanoseconds.
    var patience: Int64 { hasResponseBegun ? times.readTimeout : client.firstByteTimeout }

    /// Takes the head that the parser has just completed. Returns false if it is an interim one, and another follows. The
    /// parser bounds their number.
    func takeHead(_ http: HTTPConnection) throws -> Bool {
        var head = http.parser.takeResponseHead()
        if head.isInterim { return false }
        guard head.framing != .tunnel || mayUpgrade else {
            throw HTTPError(.malformed, "the server switched protocols unasked (\(head.response.status.code))")
        }
        // Swapped, for an assignment would be a copy.
        swap(&status, &head.response.status)
        swap(&responseFields, &head.response.headerFields)
        responseFraming = head.framing
        serverKeepsAlive = head.keepAlive
        hasHead = true
        if let observation = times.observation {
            observation.note(.responseHeadReceived(HTTPResponse(status: status, headerFields: responseFields)))
        }
        if let cookies = client.configuration.cookies { cookies.store(responseFields, from: url) }
        // Nothing undoes the coding of a body if the caller has said which codings it wants.
        if head.hasContentEncoding, client.configuration.decompresses, callerAcceptsAnyCoding {
            decoder = try ContentDecoder.forResponse(status, &responseFields, framing: responseFraming)
        }
        return true
    }

    /// Receives the whole response.
    @inline(__always)
    func collect(_ http: HTTPConnection, upTo maximum: Int) async throws -> HTTPClientResponse {
        if hasHead { try prepareBody(upTo: maximum) }
        while true {
            switch try http.tryNext() {
            case .head:
                if try takeHead(http) { try prepareBody(upTo: maximum) }
            case .body(let bytes):
                try append(bytes, upTo: maximum)
            case .end:
                try decoder?.finish()
                isComplete = true
                return takeResponse(trailers: http.parser.takeTrailers())
            case nil:
                if http.awaitsLongBody, decoder == nil {
                    if try await receiveLongBody(http) { continue }
                } else if try await http.fill(timeout: patience, deadline: times.deadline) {
                    continue
                }
                guard case .endOfBody = try http.parser.finish() else { throw HTTPError.peerClosed() }
                try decoder?.finish()
                return takeResponse(trailers: HTTPFields())
            }
        }
    }

    private func prepareBody(upTo maximum: Int) throws {
        guard decoder == nil, case .length(let length) = responseFraming else { return }
        guard length <= maximum else { throw tooLarge(maximum) }
        // What is here in one piece becomes the body as it is.
        if http.unparsedCount < length { body.reserveBody(length, received: http.unparsedCount) }
    }

    @inline(never)
    private func tooLarge(_ maximum: Int) -> any Error { HTTPError.bodyTooLarge(limit: maximum) }

    private func receiveLongBody(_ http: HTTPConnection) async throws -> Bool {
        var body: [UInt8] = []
        // Swapped, since a field cannot be lent across a suspension.
        swap(&body, &self.body)
        defer { swap(&body, &self.body) }
        let before = body.count
        guard try await http.fill(&body, timeout: patience, deadline: times.deadline) else { return false }
        times.observation?.note(.responseChunkReceived(bytes: body.count - before))
        return true
    }

    @inline(__always)
    private func append(_ bytes: UnsafeRawBufferPointer, upTo maximum: Int) throws {
        times.observation?.note(.responseChunkReceived(bytes: bytes.count))
        if let decoder { return try decoder.decode(bytes, appendingTo: &body, upTo: maximum) }
        guard body.count + bytes.count <= maximum else { throw tooLarge(maximum) }
        if body.capacity == 0 { body = Array(bytes) } else { body.append(contentsOf: bytes) }
    }

    private func takeResponse(trailers: HTTPFields) -> HTTPClientResponse {
        var (fields, body, url) = (HTTPFields(), [UInt8](), HTTPURL?.none)
        swap(&fields, &responseFields)
        swap(&body, &self.body)
        swap(&url, &self.url)
        return HTTPClientResponse(status: status, headerFields: fields, body: body, trailers: trailers, url: url!)
    }

    enum StreamOutcome<R> {
        case value(R, HTTPResponse.Status)
        case redirect(HTTPResponse)
    }

    /// Hands the response to `handler`, which reads as much of the body as it likes; or returns it, if it says to go
    /// elsewhere and that is to be followed.
    func stream<R>(
        _ http: HTTPConnection,
        followingRedirects: Bool,
        to handler: (HTTPResponse, HTTPBodyReader) async throws -> R
    ) async throws -> StreamOutcome<R> {
        while !hasHead {
            guard try await http.receiveHead(timeout: { patience }, deadline: times.deadline) else {
                throw HTTPError.peerClosed()
            }
            _ = try takeHead(http)
        }
        let response = HTTPResponse(status: status, headerFields: responseFields)
        let reader = HTTPBodyReader(http, times: times, decoder: decoder)
        defer { reader.invalidate() }
        if followingRedirects, RedirectPolicy.leads(response.status, response.headerFields) {
            isComplete = reader.discardReceived()
            return .redirect(response)
        }
        let result = try await handler(response, reader)
        isComplete = reader.discardReceived()
        return .value(result, response.status)
    }
}
