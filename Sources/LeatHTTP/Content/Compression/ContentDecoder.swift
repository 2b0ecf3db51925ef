/// Undoes the content codings of one body (RFC 9110 §8.4): compressed pieces in, pieces of bounded size out.
///
/// ```swift
/// decoder.feed(received)
/// while let piece = try decoder.next() { … }
/// // after the last piece of the body:
/// try decoder.finish()
/// ```
///
/// It holds the piece it was fed, zlib's window for each coding, and nothing that grows. How the body is cut into pieces
/// makes no difference to what comes out.
package final class ContentDecoder {
    /// What a decoded body may be.
    package struct Limits: Hashable, Sendable {
        /// The largest decoded body, in bytes; one that is larger fails with kind `.bodyTooLarge`. Default: no limit, for
        /// whoever collects a body has one, and whoever streams it needs none.
        package var maximumSize = Int.max
        /// How many times larger than the received body a decoded one may be; one that is more fails with kind
        /// `.compressionRatio`. Text rarely reaches 20, deflate cannot do more than 1,032. Default 200.
        package var maximumRatio = 200
        /// Up to this many decoded bytes the ratio is not looked at: small bodies may be very regular. Default 1 MiB.
        package var ratioThreshold = 1 << 20

        package init() {}
    }

    /// The largest piece that ``next()`` returns.
    package static let maximumPiece = 65536

    private let limits: Limits
    /// Undoes the coding that was applied last.
    private let outer: Inflater
    /// Undoes the coding before that, if there were two.
    private let inner: Inflater?
    /// Out of `outer`, on the way to `inner`. Empty without the latter.
    private let middle: UnsafeMutableRawBufferPointer
    private var middleRange = 0..<0

    /// What was fed, and how much of it has been used.
    private var input: [UInt8] = []
    private var inputOffset = 0
    private var received = 0
    /// Whether the last piece filled its memory, so that there may be more without further input.
    private var mayHaveMore = false

    /// Makes a decoder for one or two codings, in the order in which they were applied.
    /// Throws ``HTTPError`` of kind `.libraryUnavailable` if there is no zlib.
    package init(_ codings: [ContentCoding], limits: Limits = Limits()) throws(HTTPError) {
        precondition((1...ContentCoding.maximumChain).contains(codings.count), "one or two codings")
        let zlib = try Zlib.shared.get()
        self.limits = limits
        outer = Inflater(codings.last!, zlib: zlib)
        inner = codings.count == 2 ? Inflater(codings[0], zlib: zlib) : nil
        middle = .allocate(byteCount: inner == nil ? 0 : 16384, alignment: 16)
    }

    deinit { middle.deallocate() }

    // MARK: Decoding

    /// Takes the next piece of the coded body. The one before must have been used up: ``next()`` has returned nil.
    package func feed(_ bytes: [UInt8]) {
        precondition(inputOffset == input.count, "fed before the last piece was used up")
        input = bytes
        inputOffset = 0
        received += bytes.count
    }

    /// The next piece of the decoded body, of 1 to ``maximumPiece`` bytes; nil when more has to be fed.
    ///
    /// Throws ``HTTPError``: `.contentCoding` if the data is damaged or something else follows it, `.bodyTooLarge` or
    /// `.compressionRatio` at a limit. The decoder is of no use then.
    package func next() throws(HTTPError) -> [UInt8]? {
        // Most often nil for the reason that everything has been used.
        if inputOffset == input.count, !mayHaveMore { return nil }
        let (piece, used, failure) = input.withUnsafeBytes { bytes in
            var rest = UnsafeRawBufferPointer(rebasing: bytes[inputOffset...])
            do throws(HTTPError) {
                let piece = try decodePiece(&rest)
                return (piece, bytes.count - rest.count, nil as HTTPError?)
            } catch {
                return ([], bytes.count, error)
            }
        }
        if let failure { throw failure }
        inputOffset = used
        return piece.isEmpty ? nil : piece
    }

    /// Decodes all of a piece of the coded body and appends it to `body`, which keeps to `maximum` bytes. For who collects:
    /// the input is not copied. Not to be mixed with ``feed(_:)``. Throws as ``next()`` does.
    package func decode(
        _ bytes: UnsafeRawBufferPointer,
        appendingTo body: inout [UInt8],
        upTo maximum: Int
    ) throws(HTTPError) {
        received += bytes.count
        var rest = bytes
        while !rest.isEmpty || mayHaveMore {
            let piece = try decodePiece(&rest)
            guard piece.count <= maximum - body.count else { throw HTTPError.bodyTooLarge(limit: maximum) }
            if body.isEmpty { body = piece } else { body += piece }
        }
    }

    /// Says that the coded body is complete. Throws ``HTTPError`` of kind `.incomplete` if the data in it is not.
    package func finish() throws(HTTPError) {
        guard outer.isComplete, middleRange.isEmpty, inner?.isComplete ?? true else {
            throw HTTPError(.incomplete, "the body ends before the compressed data in it does")
        }
    }

    /// Decodes until a piece is full or the input used up.
    private func decodePiece(_ input: inout UnsafeRawBufferPointer) throws(HTTPError) -> [UInt8] {
        // Four times the input is about what text becomes. A piece that is too short is followed by a full one.
        let expected = min(max(4 * min(input.count, Self.maximumPiece), 512), Self.maximumPiece)
        let capacity = mayHaveMore ? Self.maximumPiece : expected
        var failure: HTTPError?
        let piece = [UInt8](unsafeUninitializedCapacity: capacity) { memory, count in
            do throws(HTTPError) {
                let output = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(memory)[..<capacity])
                count = try decode(&input, into: output)
                mayHaveMore = count == capacity
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return piece
    }

    private func decode(
        _ input: inout UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) throws(HTTPError) -> Int {
        guard let inner else {
            let count = try outer.inflate(&input, into: output)
            try check(outer)
            return count
        }
        var written = 0
        while true {
            var rest = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(middle)[middleRange])
            let room = UnsafeMutableRawBufferPointer(rebasing: output[written...])
            written += try inner.inflate(&rest, into: room)
            middleRange = middleRange.upperBound - rest.count..<middleRange.upperBound
            try check(inner)
            if written == output.count { return written }
            let count = try outer.inflate(&input, into: middle)
            // Of the inner data too: what becomes nothing in the end has been worked on all the same.
            try check(outer)
            if count == 0 { return written }
            middleRange = 0..<count
        }
    }

    private func check(_ inflater: Inflater) throws(HTTPError) {
        let produced = inflater.produced
        if inflater === inner ?? outer, produced > limits.maximumSize {
            throw HTTPError.bodyTooLarge(limit: limits.maximumSize)
        }
        if produced > limits.ratioThreshold, (produced - 1) / max(limits.maximumRatio, 1) >= received {
            throw HTTPError(
                .compressionRatio,
                "\(received) bytes became more than \(limits.maximumRatio) times as many"
            )
        }
    }
}
