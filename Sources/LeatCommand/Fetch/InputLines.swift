import CommandKit
import Glibc
import Leat

/// The lines of standard input, read when they are asked for and not before: another program may write one and wait for
/// its result.
final class InputLines {
    private var lines = LineBuffer()
    private var isAtEnd = false
    private var waits = true
    /// Where to read next in a file; nil for what has no places, such as a pipe.
    private var offset: off_t?

    /// Bytes taken from the kernel at a time. Small, so that little is read ahead.
    private static let chunkSize = 4096
    /// A longer line ends the run.
    private static let maximumLine = 64 << 20

    init() {
        let start = lseek(0, 0, SEEK_CUR)
        offset = start < 0 ? nil : start
    }

    /// The next line, without its end; nil after the last. Throws `SystemError`, or `UsageError` for an endless line. One that
    /// is cancelled has taken nothing.
    func next() async throws -> String? {
        while true {
            if let line = lines.next() { return Self.text(line) }
            if isAtEnd {
                let rest = lines.takeRest()
                return rest.isEmpty ? nil : Self.text(rest)
            }
            guard lines.pending <= Self.maximumLine else {
                throw UsageError("a line of the input is longer than \(Self.maximumLine) bytes")
            }
            if offset == nil, !waits { return nil }
            let chunk = try await readChunk()
            isAtEnd = chunk.isEmpty
            lines.append(chunk)
        }
    }

    /// From now on ``next()`` waits for no other program: it gives the rest of a file, and of a pipe the whole lines that were
    /// read already.
    func stopWaiting() { waits = false }

    /// A thread cannot be called back from a read, and would take with it what it finds later. So it reads at a place of its
    /// own, or only waits until there is something to read.
    private func readChunk() async throws -> [UInt8] {
        if let place = offset {
            let chunk = try await EventLoop.current.offload { try Self.read { pread(0, $0, $1, place) } }
            offset = place + off_t(chunk.count)
            return chunk
        }
        try await EventLoop.current.offload {
            var descriptor = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
            while poll(&descriptor, 1, -1) < 0, errno == EINTR {}
        }
        return try Self.read { Glibc.read(0, $0, $1) }
    }

    private static func read(_ call: (UnsafeMutableRawPointer?, Int) -> Int) throws -> [UInt8] {
        var code: Int32 = 0
        let chunk = [UInt8](unsafeUninitializedCapacity: chunkSize) { buffer, count in
            var result = call(buffer.baseAddress, buffer.count)
            while result < 0, errno == EINTR { result = call(buffer.baseAddress, buffer.count) }
            if result < 0 { code = errno }
            count = max(0, result)
        }
        if code != 0 { throw SystemError(code: code, operation: "read standard input") }
        return chunk
    }

    private static func text(_ line: ArraySlice<UInt8>) -> String {
        String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self)
    }
}
