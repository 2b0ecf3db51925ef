import LeatLoop
import LeatNet
import LeatReactor

/// One request and its response on one connection.
final class ClientExchange {
    private let connection: PooledConnection
    private let http: HTTPConnection
    private let request: HTTPRequest
    private let content: HTTPBody
    private let configuration: HTTPClient.Configuration
    private let deadline: LoopInstant
    private let receivedBefore: Int
    private let wasReused: Bool
    private var head: HTTPResponseHead?
    private var isComplete = false

    init(
        _ connection: PooledConnection,
        _ request: HTTPRequest,
        _ content: HTTPBody,
        _ configuration: HTTPClient.Configuration,
        deadline: LoopInstant
    ) {
        self.connection = connection
        http = connection.http
        self.request = request
        self.content = content
        self.configuration = configuration
        self.deadline = deadline
        receivedBefore = http.bytesReceived
        wasReused = connection.isReused
    }

    // MARK: Sending

    func send() async throws {
        http.parser.expectResponse(to: request.method)
        do throws(HTTPEncodingError) {
            try HTTPEncoder.appendRequestHead(request, framing: framing, to: &http.output)
        } catch {
            throw HTTPError(.invalidRequest, "\(error)", underlying: error)
        }
        do {
            try await sendBody()
        } catch let error as NetworkError where error.kind == .reset && http.socket.mayBeReadable {
            // The server stopped listening before it had everything. It may have said why: read its answer.
        } catch let error as NetworkError where error.kind == .timedOut {
            throw HTTPError(.timeout, "the server took no more of the request", underlying: error)
        }
    }

    private var framing: HTTPBodyFraming {
        switch content.content {
        // A method whose requests usually have a body says that this one is empty (RFC 9110 §8.6).
        case .none: request.method == .post || request.method == .put || request.method == .patch ? .length(0) : .none
        case .bytes(let bytes): .length(bytes.count)
        case .stream(.some(let length), _): .length(length)
        case .stream(nil, _): .chunked
        }
    }

    private func sendBody() async throws {
        switch content.content {
        case .none:
            try await http.flush(until: sendDeadline)
        case .bytes(let bytes) where bytes.count <= 16384:
            http.output += bytes
            try await http.flush(until: sendDeadline)
        case .bytes(let bytes):
            try await http.send(bytes, until: sendDeadline)
        case .stream(_, let produce):
            let writer = HTTPBodyWriter(http, framing: framing, writeTimeout: configuration.readTimeout)
            try await produce(writer)
            try await writer.finish()
        }
    }

    private var sendDeadline: LoopInstant {
        min(http.loop.now.advanced(by: configuration.readTimeout), deadline)
    }

    // MARK: Receiving

    /// The head of the final response. Interim ones are skipped; the parser bounds their number.
    private func receiveHead() async throws -> HTTPResponseHead {
        while true {
            if case .head = try http.tryNext() {
                let head = http.parser.takeResponseHead()
                if head.isInterim { continue }
                guard head.framing != .tunnel else {
                    throw HTTPError(.malformed, "the server switched protocols unasked (\(head.response.status.code))")
                }
                self.head = head
                return head
            }
            guard try await fill() else { throw HTTPError.peerClosed }
        }
    }

    /// Receives the whole response.
    func collect(upTo maximum: Int) async throws -> HTTPClientResponse {
        let head = try await receiveHead()
        var body: [UInt8] = []
        if case .length(let length) = head.framing {
            guard length <= maximum else { throw HTTPError.bodyTooLarge(limit: maximum) }
            body.reserveCapacity(length)
        }
        while true {
            switch try http.tryNext() {
            case .body(let bytes):
                guard body.count + bytes.count <= maximum else { throw HTTPError.bodyTooLarge(limit: maximum) }
                body.append(contentsOf: bytes)
            case .end:
                isComplete = true
                return response(head, body, trailers: http.parser.takeTrailers())
            case .head, nil:
                if try await fill() { continue }
                guard case .endOfBody = try http.parser.finish() else { throw HTTPError.peerClosed }
                return response(head, body, trailers: HTTPFields())
            }
        }
    }

    private func response(_ head: HTTPResponseHead, _ body: [UInt8], trailers: HTTPFields) -> HTTPClientResponse {
        HTTPClientResponse(
            status: head.response.status,
            headerFields: head.response.headerFields,
            body: body,
            trailers: trailers
        )
    }

    private func fill() async throws -> Bool {
        try await http.fillOrTimeOut(readTimeout: configuration.readTimeout, deadline: deadline)
    }

    /// Hands the response to `handler`, which reads as much of the body as it likes.
    func stream<R>(to handler: (HTTPResponse, HTTPBodyReader) async throws -> R) async throws -> R {
        let head = try await receiveHead()
        let reader = HTTPBodyReader(http, readTimeout: configuration.readTimeout, deadline: deadline)
        http.saveWindow()
        defer { reader.invalidate() }
        let result = try await handler(head.response, reader)
        isComplete = reader.discardReceived()
        return result
    }

    // MARK: Afterwards

    /// Whether the next request may use this connection: the response was complete, both sides want to go on, and nothing
    /// else has arrived.
    var leavesConnectionReusable: Bool {
        isComplete && head?.keepAlive == true && !http.hasUnparsedBytes && !http.sawEnd
            && !request.headerFields.contains(token: "close", in: .connection)
    }

    /// Whether `error` only says that a kept-alive connection had gone in the meantime: no byte of a response came.
    func foundConnectionStale(_ error: any Error) -> Bool {
        guard wasReused, http.bytesReceived == receivedBefore else { return false }
        switch error {
        case let error as NetworkError: return error.kind == .reset
        case let error as HTTPError: return error.kind == .incomplete
        default: return false
        }
    }
}
