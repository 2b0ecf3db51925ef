import CLinux

/// Undoes one content coding, a piece of input and a piece of output at a time.
///
/// Its memory is zlib's window and tables, about 40 KiB, allocated when the first byte arrives.
final class Inflater {
    private let zlib: Zlib
    private let coding: ContentCoding
    /// Allocated by itself, for zlib keeps its address. Nil until the first byte has arrived.
    private var stream: Zlib.StreamPointer?
    /// Whether the data so far is complete. More may follow only as another gzip member.
    private var isAtEnd = false
    /// Whether at least one gzip member is complete.
    private var hasMember = false
    /// Bytes that came out.
    private(set) var produced = 0

    init(_ coding: ContentCoding, zlib: Zlib) {
        self.coding = coding
        self.zlib = zlib
    }

    deinit {
        guard let stream else { return }
        zlib.end(stream)
        stream.deallocate()
    }

    /// Whether the input may end here. It may be empty: a body of no bytes, announced as compressed, is common.
    var isComplete: Bool { stream == nil || isAtEnd }

    /// Decompresses `input` into `output` until the one is used up or the other full; `input` becomes what is left of it.
    /// Returns how many bytes came out. If that fills `output` there may be more to come without further input.
    func inflate(
        _ input: inout UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) throws(HTTPError) -> Int {
        var written = 0
        while written < output.count {
            if stream == nil || isAtEnd {
                guard let first = input.first else { break }
                try begin(first)
            }
            let room = UnsafeMutableRawBufferPointer(rebasing: output[written...])
            let status = step(&input, room, &written)
            switch status {
            case .ok:
                continue
            case .streamEnd:
                isAtEnd = true
                hasMember = true
            case .noProgress:
                produced += written
                return written
            case .failed(let code):
                throw failure(code)
            }
        }
        produced += written
        return written
    }

    /// One call of zlib; its counts are of 32 bits, so very large buffers take several.
    private func step(
        _ input: inout UnsafeRawBufferPointer,
        _ output: UnsafeMutableRawBufferPointer,
        _ written: inout Int
    ) -> Zlib.Status {
        let stream = stream!
        let available = min(input.count, 1 << 30)
        let room = min(output.count, 1 << 30)
        stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = CUnsignedInt(available)
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = CUnsignedInt(room)
        let status = zlib.inflate(stream)
        input = UnsafeRawBufferPointer(rebasing: input[(available - Int(stream.pointee.avail_in))...])
        written += room - Int(stream.pointee.avail_out)
        return status
    }

    /// Prepares for data that begins with the byte `first`: the body, or a further gzip member (RFC 1952 §2.2).
    private func begin(_ first: UInt8) throws(HTTPError) {
        if let stream {
            // No member begins otherwise, so this needs no second byte to be told from garbage in most cases.
            guard coding == .gzip, first == 0x1F else { throw garbage }
            guard case .ok = zlib.reset(stream) else { throw failure(-2) }
            isAtEnd = false
            return
        }
        let stream = Zlib.StreamPointer.allocate(capacity: 1)
        stream.initialize(to: Zlib.Stream())
        guard case .ok = zlib.begin(stream, windowBits: windowBits(first)) else {
            stream.deallocate()
            throw HTTPError(.libraryUnavailable, "zlib \(zlib.version) cannot start to decompress: no memory?")
        }
        self.stream = stream
    }

    /// zlib's number for a format with the largest window: 16 more stands for gzip, a negative one for bare deflate.
    ///
    /// The zlib format begins with a byte whose lower half is 8. Bare deflate does not: it would be a stored block with
    /// padding other than zeros, which no compressor writes.
    private func windowBits(_ first: UInt8) -> CInt {
        switch coding {
        case .gzip: 15 + 16
        case .deflate: first & 0x0F == 8 ? 15 : -15
        }
    }

    private func failure(_ code: CInt) -> HTTPError {
        // Before the second member's data, a wrong header is no member but something else.
        if hasMember, let stream, stream.pointee.total_out == 0 { return garbage }
        if code == 2 { return HTTPError(.contentCoding, "the \(coding) body needs a preset dictionary") }
        let reason = (stream?.pointee.msg).map { String(cString: $0) } ?? "zlib failed with \(code)"
        return HTTPError(.contentCoding, "the \(coding) body is damaged: \(reason)")
    }

    private var garbage: HTTPError {
        HTTPError(.contentCoding, "something else follows the \(coding) data in the body")
    }
}
