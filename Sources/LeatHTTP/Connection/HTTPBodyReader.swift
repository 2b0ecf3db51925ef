import LeatLoop
import LeatNet
import LeatReactor

/// The body of a message that is being received: read it piece by piece, or collect it under a limit.
///
/// ```swift
/// for try await piece in body { … }
/// let all = try await body.collect(upTo: 1 << 20)
/// ```
///
/// It takes bytes from the connection only when you ask for them, so a slow reader slows the sender down. You can use it as long
/// as its exchange lasts: in the closure of ``HTTPClient/perform(_:_:)``, or until a server's handler returns. Confined to its
/// loop.
public final class HTTPBodyReader: AsyncSequence, @unchecked Sendable {
    private let connection: HTTPConnection?
    private let times: ExchangeTimes
    /// What undoes the coding of the body, if it has one.
    private let decoder: ContentDecoder?
    /// The most bytes of body. More are an error.
    private let maximum: Int
    private var received = 0
    /// The lowest rate at which the sender has to send, in bytes a second; 0 for no such limit.
    private let lowestRate: Int
    /// How long all waits for the sender have lasted, in nanoseconds.
    private var waited: Int64 = 0
    /// Whether the peer still waits for `100 Continue`. The first read sends it.
    package private(set) var awaitsContinue: Bool
    /// Whether the body has been read to its end.
    package private(set) var isFinished: Bool
    /// Set when the exchange is over: later reads throw.
    private var isInvalid = false
    /// Whether reading has failed.
    private(set) var hasFailed = false
    private var isReading = false
    /// The fields after a chunked body; empty until its end has been read, and for other bodies.
    public private(set) var trailers = HTTPFields()

    /// The body of a message that has none.
    package static let empty = HTTPBodyReader(
        nil,
        times: ExchangeTimes(began: LoopInstant(nanoseconds: 0), readTimeout: 0)
    )

    package init(
        _ connection: HTTPConnection?,
        times: ExchangeTimes,
        maximum: Int = .max,
        lowestRate: Int = 0,
        awaitsContinue: Bool = false,
        decoder: ContentDecoder? = nil
    ) {
        self.connection = connection
        self.times = times
        self.maximum = maximum
        self.lowestRate = lowestRate
        self.decoder = decoder
        self.awaitsContinue = awaitsContinue
        isFinished = connection == nil
    }

    /// Returns the next bytes as they arrived, at least one, or nil at the end of the body. If the content coding of the body is
    /// undone, they are decoded bytes, at most 64 KiB.
    ///
    /// Throws ``HTTPError`` (`.incomplete` if the peer ends the connection early, `.timeout`, `.malformed`,
    /// `.bodyTooLarge`; for a coded body also `.contentCoding` and `.compressionRatio`) or `CancellationError`; the
    /// connection is not used again then. Throws `.invalidRequest` if another task is reading, or the exchange has ended.
    public func read() async throws -> [UInt8]? {
        guard !isInvalid else {
            throw HTTPError(.invalidRequest, "this body was read after the exchange it belongs to had ended")
        }
        if isReading { throw HTTPError(.invalidRequest, "two tasks read one body at once") }
        guard !isFinished || decoder != nil, let connection else { return nil }
        isReading = true
        defer { isReading = false }
        if Task.isCancelled { throw CancellationError() }
        do {
            if awaitsContinue {
                awaitsContinue = false
                connection.output.append(atMost: 25) { $0.write("HTTP/1.1 100 Continue\r\n\r\n") }
                connection.flushLater()
            }
            if let decoder { return try await nextDecoded(connection, decoder) }
            return try await next(connection)
        } catch {
            throw failure(error, connection)
        }
    }

    /// The body cannot be read on. Returns what the caller is told.
    private func failure(_ error: any Error, _ connection: HTTPConnection) -> any Error {
        isInvalid = true
        hasFailed = true
        return times.describe(error, in: .read, limit: times.readTimeout, now: connection.loop.now)
    }

    private func next(_ connection: HTTPConnection) async throws -> [UInt8]? {
        while true {
            if let piece = try tryNext(connection) { return Array(piece) }
            if isFinished { return nil }
            if try await waitingFor({ try await connection.fill(timeout: $0, deadline: times.deadline) }) { continue }
            guard case .endOfBody = try connection.parser.finish() else { throw HTTPError.peerClosed() }
            isFinished = true
            return nil
        }
    }

    /// Runs a wait for the sender with the time that it may take, and adds it to ``waited``. Each wait may last for the read
    /// timeout. All of them together may last for the read timeout, and for the time that the bytes received take at the lowest
    /// rate.
    private func waitingFor<T>(_ wait: (_ timeout: Int64) async throws -> T) async throws -> T {
        guard lowestRate > 0, let clock = connection?.loop.clock else { return try await wait(times.readTimeout) }
        let earned = Duration.nanoseconds(times.readTimeout) + .seconds(received) / lowestRate
        let began = clock.now
        let result = try await wait(Swift.min(times.readTimeout, Swift.max(0, earned.clampedNanoseconds &- waited)))
        waited += began.duration(to: clock.now).clampedNanoseconds
        return result
    }

    private func nextDecoded(_ connection: HTTPConnection, _ decoder: ContentDecoder) async throws -> [UInt8]? {
        while true {
            if let piece = try decoder.next() {
                // Little input can make many pieces, and none of them waits for anything.
                if !connection.loop.spendBudget() { await Task.yield() }
                return piece
            }
            guard !isFinished, let coded = try await next(connection) else {
                try decoder.finish()
                return nil
            }
            decoder.feed(coded)
        }
    }

    /// The next piece among the bytes already received, if there is one. Good until the connection is touched again.
    private func tryNext(_ connection: HTTPConnection) throws -> UnsafeRawBufferPointer? {
        switch try connection.tryNext() {
        case .body(let bytes):
            received += bytes.count
            times.observation?.note(.responseChunkReceived(bytes: bytes.count))
            guard received <= maximum else { throw HTTPError.bodyTooLarge(limit: maximum) }
            return bytes
        case .end:
            trailers = connection.parser.takeTrailers()
            isFinished = true
            return nil
        case .head, nil:
            return nil
        }
    }

    /// The whole body, if it has no more than `maximum` bytes. Throws ``HTTPError`` of kind `.bodyTooLarge` as soon as it
    /// has more, and otherwise like ``read()``.
    public func collect(upTo maximum: Int) async throws -> [UInt8] {
        var body: [UInt8] = []
        while let piece = try await read() {
            guard body.count + piece.count <= maximum else {
                isInvalid = true
                hasFailed = true
                throw HTTPError.bodyTooLarge(limit: maximum)
            }
            if body.isEmpty { body = piece } else { body += piece }
            try await receiveLongRest(of: &body, upTo: maximum)
        }
        return body
    }

    /// Receives the rest of a long body directly into `body`.
    private func receiveLongRest(of body: inout [UInt8], upTo limit: Int) async throws {
        guard decoder == nil, let connection, connection.awaitsLongBody else { return }
        isReading = true
        defer { isReading = false }
        do {
            let rest = connection.bodyRest
            guard rest <= limit - body.count else { throw HTTPError.bodyTooLarge(limit: limit) }
            guard rest <= maximum - received else { throw HTTPError.bodyTooLarge(limit: maximum) }
            while connection.awaitsLongBody {
                try Task.checkCancellation()
                let before = body.count
                let isFilled = try await waitingFor {
                    try await connection.fill(&body, timeout: $0, deadline: times.deadline)
                }
                guard isFilled else { throw HTTPError.peerClosed() }
                received += body.count - before
                times.observation?.note(.responseChunkReceived(bytes: body.count - before))
            }
        } catch {
            throw failure(error, connection)
        }
    }

    /// The whole body as UTF-8 text, ill-formed sequences replaced; see ``collect(upTo:)``.
    public func text(upTo maximum: Int) async throws -> String {
        String(decoding: try await collect(upTo: maximum), as: UTF8.self)
    }

    /// Skips what has already arrived of the rest, without waiting. Returns whether that was all of it.
    package func discardReceived() -> Bool {
        guard !isInvalid else { return false }
        while !isFinished, let connection {
            guard (try? tryNext(connection)) != nil else { break }
        }
        return isFinished
    }

    /// Whether a task waits for more of the body.
    package var isBeingRead: Bool { isReading }

    /// Whether ``HTTPConnection`` can drop the rest of the body, to find the next message behind it. It can if reading has not
    /// failed, nobody reads now, the peer does not wait for `100 Continue`, and the rest is not announced to be longer than
    /// `limit`.
    package func canBeDiscarded(upTo limit: Int) -> Bool {
        guard let connection, !isInvalid, !isReading, !awaitsContinue else { return isFinished }
        return connection.bodyRest <= limit && connection.parser.phase != .failed
    }

    /// Ends the reader's life with its exchange.
    package func invalidate() {
        guard connection != nil else { return }
        isInvalid = true
    }

    public func makeAsyncIterator() -> Iterator { Iterator(reader: self) }

    /// Iterates over the pieces of a body; see ``HTTPBodyReader/read()``.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let reader: HTTPBodyReader

        public mutating func next() async throws -> [UInt8]? { try await reader.read() }
    }
}

extension HTTPError {
    package static func bodyTooLarge(limit: Int) -> HTTPError {
        HTTPError(.bodyTooLarge, "the body has more than \(limit) bytes")
    }

    /// Returns a box, which is one word: the frame of an asynchronous function has room for each error that it may throw.
    @inline(never)
    package static func peerClosed() -> any Error {
        HTTPError(.incomplete, "the peer closed the connection before the message was complete")
    }
}
