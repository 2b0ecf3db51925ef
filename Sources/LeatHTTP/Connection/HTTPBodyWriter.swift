import LeatLoop
import LeatNet
import LeatReactor

/// Where a streamed body is written to; see ``HTTPBody/stream(length:_:)``.
///
/// What you write is buffered, and sent at the end of the turn of the loop, together with the head if that has not been sent. A
/// write that brings the buffer to 64 KiB sends it at once, and waits until the kernel has taken it: a slow peer slows the writer
/// down. ``flush()`` waits until the kernel has everything. Confined to its loop.
public final class HTTPBodyWriter: @unchecked Sendable {
    private let connection: HTTPConnection
    private let isChunked: Bool
    /// Bytes still owed to the announced length; nil if none was announced.
    private var owed: Int?
    private let times: ExchangeTimes
    /// What is sent behind the last chunk.
    private var trailers = HTTPFields()
    /// Why nothing more can be written. After a failed write nobody knows how much of it was sent.
    private var failure: (any Error)?
    private var isWriting = false
    /// Asks whether the peer has refused the message, so that the rest need not be written.
    var isRefused: (() throws -> Bool)?

    /// The read timeout of `times` is also the longest wait for the peer to take more.
    package init(_ connection: HTTPConnection, framing: HTTPBodyFraming, _ times: ExchangeTimes) {
        self.connection = connection
        self.times = times
        isChunked = framing == .chunked
        if case .length(let length) = framing { owed = length }
    }

    /// Writes a piece of the body; an empty one does nothing. A piece of more than 16 KiB is sent at once, without a copy.
    ///
    /// Throws ``HTTPError`` (`.bodyLength` if this is more than was announced; `.timeout`; `.invalidRequest` if another task
    /// is writing, or the exchange has ended) or `CancellationError`. A write that fails is the last one: those after it
    /// throw the same.
    public func write(_ bytes: [UInt8]) async throws {
        try checkReadiness()
        guard !bytes.isEmpty else { return }
        if let isRefused, try isRefused() {
            failure = HTTPConnection.SendingStopped()
            throw HTTPConnection.SendingStopped()
        }
        if let owed {
            guard bytes.count <= owed else {
                throw HTTPError(.bodyLength, "the body is longer than announced, by \(bytes.count - owed) bytes")
            }
            self.owed = owed - bytes.count
        }
        if isChunked { HTTPEncoder.appendChunkHeader(size: bytes.count, to: &connection.output) }
        try await sending {
            try await connection.sendPiece(bytes, timeout: times.readTimeout, deadline: times.deadline)
            guard isChunked else { return }
            HTTPEncoder.appendChunkEnd(to: &connection.output)
            connection.flushLater()
        }
        times.observation?.note(.requestChunkSent(bytes: bytes.count))
    }

    /// Writes the UTF-8 of `text`.
    public func write(_ text: String) async throws {
        try await write(Array(text.utf8))
    }

    /// Sends what is buffered, and returns when the kernel has all of it. Throws as ``write(_:)-([UInt8])`` does.
    public func flush() async throws {
        try checkReadiness()
        try await sending { try await connection.flush(timeout: times.readTimeout, deadline: times.deadline) }
    }

    /// Adds fields that are sent behind the body (RFC 9110 §6.5), such as a checksum that is known only at the end. They follow
    /// those of earlier calls. A `Trailer` among the header fields can announce them (§6.6.2). A recipient may ignore them all
    /// the same.
    ///
    /// Only a chunked body, one without a length, can have trailers. A client of HTTP/1.0 gets the body unchunked, which its
    /// writer cannot know. There the trailers are left out.
    ///
    /// Throws ``HTTPError`` of kind `.invalidRequest` if the body has a length, or a field cannot be sent or may not stand there:
    /// `Content-Length`, `Transfer-Encoding`, `Host`.
    public func addTrailers(_ fields: HTTPFields) throws(HTTPError) {
        do throws(HTTPEncodingError) {
            try HTTPEncoder.check(trailers: fields)
        } catch {
            throw HTTPError(.invalidRequest, "\(error)", underlying: error)
        }
        guard owed == nil else {
            throw HTTPError(.invalidRequest, "a body with a length cannot have trailers")
        }
        for field in fields { trailers.append(field) }
    }

    /// Writes another body as a part of this one. Throws `.bodyLength` if that body does not have the length that it has
    /// announced.
    func write(_ part: HTTPBody) async throws {
        switch part.content {
        case .none: break
        case .bytes(let bytes): try await write(bytes)
        case .stream(let produce):
            guard let length = produce.length else { return try await produce(self) }
            let whole = owed
            if let whole, length > whole {
                throw HTTPError(.bodyLength, "a part of the body is longer than what is announced of the whole")
            }
            owed = length
            try await produce(self)
            try checkNothingIsOwed()
            owed = whole.map { $0 - length }
        }
    }

    private func checkReadiness() throws {
        if let failure { throw failure }
        if isWriting { throw HTTPError(.invalidRequest, "two tasks write one body at once") }
    }

    /// Runs a step that sends, for one task at a time. If it fails nothing more can be written.
    private func sending(_ step: () async throws -> Void) async throws {
        isWriting = true
        defer { isWriting = false }
        do {
            try await step()
        } catch {
            let now = connection.loop.now
            let described = times.describe(error, in: .send, limit: times.readTimeout, now: now)
            failure = described
            throw described
        }
    }

    /// Whether nothing more can be written because sending has failed. The producer is not the cause then.
    var hasFailed: Bool { failure != nil }

    /// Whether a task waits for the peer to take more.
    var isBeingWritten: Bool { isWriting }

    /// Writes the end of the body, which is sent at the end of the turn. Throws `.bodyLength` if the body is shorter than
    /// announced.
    package func finish() throws {
        try checkReadiness()
        try checkNothingIsOwed()
        if isChunked { try HTTPEncoder.appendLastChunk(trailers: trailers, to: &connection.output) }
        if !connection.output.isEmpty { connection.flushLater() }
    }

    /// Ends the writer's life with its exchange.
    package func invalidate() {
        failure = HTTPError(.invalidRequest, "this body was written to after the exchange it belongs to had ended")
    }

    private func checkNothingIsOwed() throws {
        guard let owed, owed > 0 else { return }
        throw HTTPError(.bodyLength, "the body is shorter than announced, by \(owed) bytes")
    }
}
