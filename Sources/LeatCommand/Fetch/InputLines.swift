import Glibc
import Leat

/// The lines of standard input, read when they are asked for and not before: another program may write one and wait for
/// its result.
final class InputLines {
    private var buffer: [UInt8] = []
    /// Where the unread part of the buffer begins.
    private var start = 0
    private var isAtEnd = false

    /// Bytes taken from the kernel at a time. Small, so that little is read ahead.
    private static let chunkSize = 4096
    /// A longer line ends the run.
    private static let maximumLine = 64 << 20

    /// The next line, without its end; nil after the last. Throws `SystemError`, or `UsageError` for an endless line.
    func next() async throws -> String? {
        var searched = start
        while true {
            if let end = buffer[searched...].firstIndex(of: 0x0A) {
                defer { start = end + 1 }
                return line(start..<end)
            }
            if isAtEnd {
                guard start < buffer.count else { return nil }
                defer { start = buffer.count }
                return line(start..<buffer.count)
            }
            guard buffer.count - start <= Self.maximumLine else {
                throw UsageError("a line of the input is longer than \(Self.maximumLine) bytes")
            }
            buffer.removeFirst(start)
            start = 0
            searched = buffer.count
            let chunk = try await EventLoop.current.offload { try Self.readChunk() }
            isAtEnd = chunk.isEmpty
            buffer += chunk
        }
    }

    private func line(_ range: Range<Int>) -> String {
        var text = buffer[range]
        if text.last == 0x0D { text.removeLast() }
        return String(decoding: text, as: UTF8.self)
    }

    private static func readChunk() throws -> [UInt8] {
        var code: Int32 = 0
        let chunk = [UInt8](unsafeUninitializedCapacity: chunkSize) { buffer, count in
            var result = read(0, buffer.baseAddress, buffer.count)
            while result < 0, errno == EINTR { result = read(0, buffer.baseAddress, buffer.count) }
            if result < 0 { code = errno }
            count = max(0, result)
        }
        if code != 0 { throw SystemError(code: code, operation: "read standard input") }
        return chunk
    }
}
