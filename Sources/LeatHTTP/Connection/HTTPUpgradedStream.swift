import LeatLoop
import LeatNet
import LeatReactor

/// A connection after its switch to another protocol (RFC 9110 §7.8): bytes in order, both ways, over TCP or TLS.
///
/// One task may read while another writes. A second task in the same direction gets ``HTTPError`` of kind `.invalidRequest`. The
/// first bytes that you read are those that the peer sent right behind the head of its message. A read asks the kernel only when
/// you ask, and a write returns when the kernel has taken everything. So neither side can make the other's memory grow.
///
/// A read waits as long as the peer is silent, unless `withTimeout` bounds it. A write has to be over within the server's
/// `writeTimeout`, or the client's `readTimeout`. Both throw `CancellationError` as soon as their task is cancelled. A cancelled
/// read loses no byte.
///
/// You can use it in the closure that it was handed to. When that returns, the connection ends. Confined to its loop.
public final class HTTPUpgradedStream: @unchecked Sendable {
    private let connection: HTTPConnection
    private let times: ExchangeTimes
    private var isReading = false
    private var isWriting = false
    /// Why nothing more can be written; nil while something can.
    private var writingEnded: String?
    /// Set when the closure has returned.
    private var isInvalid = false

    /// - Parameter writeTimeout: The longest time for one write, in nanoseconds.
    init(_ connection: HTTPConnection, writeTimeout: Int64) {
        self.connection = connection
        times = ExchangeTimes(began: connection.loop.clock.now, readTimeout: writeTimeout)
    }

    /// Reads what there is, up to `maximum` bytes (64 KiB by default). Waits while there is nothing. Nil is the end of the
    /// stream, as the peer has announced it.
    ///
    /// Throws ``HTTPError`` (`.connection`; over TLS also `.tls`, and `.incomplete` for an end that was not announced) or
    /// `CancellationError`.
    public func read(upTo maximum: Int = 65536) async throws -> [UInt8]? {
        precondition(maximum > 0, "a read needs room for at least one byte")
        try begin("read", isBusy: isReading)
        isReading = true
        defer { isReading = false }
        while !connection.hasUnparsedBytes {
            if connection.sawEnd { return nil }
            do { _ = try await connection.fill() } catch { throw HTTPError.wrapping(error) }
            if isInvalid { throw Self.over }
        }
        return connection.takeUnparsed(upTo: maximum)
    }

    /// Writes all of `bytes`; returns when the kernel has them.
    ///
    /// Throws ``HTTPError`` (`.timeout` if the peer does not take them in time, `.connection`, `.tls`) or `CancellationError`. A
    /// part may have been sent then, and nothing more can be written.
    public func write(_ bytes: [UInt8]) async throws {
        try beginWriting()
        guard !bytes.isEmpty else { return }
        try await writing("a write has failed before") { try await connection.send(bytes, timeout: .max, deadline: $0) }
    }

    /// Writes the UTF-8 of `text`.
    public func write(_ text: String) async throws {
        try await write(Array(text.utf8))
    }

    /// Ends the sending direction: the peer reads an end of stream and may still answer. Throws as ``write(_:)`` does.
    public func finishWriting() async throws {
        try beginWriting()
        writingEnded = "its writing side is finished"
        try await writing("its writing side is finished") { try await connection.finishWriting(until: $0) }
    }

    private func beginWriting() throws {
        try begin("written to", isBusy: isWriting)
        if let writingEnded { throw HTTPError(.invalidRequest, "nothing more can be written: \(writingEnded)") }
    }

    /// - Parameter ending: Why nothing can be written once this has failed. Part of it may be on its way.
    private func writing(_ ending: String, _ send: (LoopInstant) async throws -> Void) async throws {
        isWriting = true
        defer { isWriting = false }
        do {
            try await send(connection.loop.clock.now.advanced(nanoseconds: times.readTimeout))
        } catch {
            writingEnded = ending
            throw times.describe(error, in: .send, limit: times.readTimeout, now: connection.loop.now)
        }
    }

    private func begin(_ operation: String, isBusy: Bool) throws {
        connection.loop.preconditionOnLoop()
        if isInvalid { throw Self.over }
        guard !isBusy else { throw HTTPError(.invalidRequest, "the stream is \(operation) by another task already") }
        if Task.isCancelled { throw CancellationError() }
    }

    private static var over: HTTPError {
        HTTPError(.invalidRequest, "the stream was used after the closure it was handed to had returned")
    }

    /// Ends the stream's life with its closure. If the closure has left a task behind that reads or writes, the connection is
    /// closed at once.
    func invalidate() {
        isInvalid = true
        if isBusy { connection.close() }
    }

    /// Whether a task reads or writes.
    var isBusy: Bool { isReading || isWriting }
}
