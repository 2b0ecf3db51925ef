import Glibc
import Leat

/// Standard output and standard error.
enum StandardStream {
    /// Writes to standard error, unbuffered.
    static func error(_ text: String) {
        _ = writeAll(Array(text.utf8), to: 2)
    }

    /// Takes the place of standard streams that are closed. The next file to be opened would otherwise be taken for one, and a
    /// journal be written to by whoever has something to say. What is written to standard output then fails, as it should.
    static func fillGaps() {
        for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) == -1 {
            _ = open("/dev/null", descriptor == 1 ? O_RDONLY : O_RDWR)
        }
    }

    static var errorIsTerminal: Bool { isatty(2) == 1 }

    /// Writes everything, blocking. Returns `errno` if that fails, 0 otherwise.
    static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
        bytes.withUnsafeBytes { bytes in
            var rest = bytes
            while !rest.isEmpty {
                let written = write(descriptor, rest.baseAddress, rest.count)
                if written >= 0 {
                    rest = UnsafeRawBufferPointer(rebasing: rest[written...])
                } else if errno != EINTR {
                    return errno
                }
            }
            return 0
        }
    }
}

/// Standard output, or another file, as a sequence of whole lines. A reader that is slow to take them holds up whoever prints,
/// not the loop.
final class LineOutput: @unchecked Sendable {
    private let turn = AsyncSemaphore(value: 1)
    private let descriptor: Int32
    private let name: String

    /// What a pipe that is ready for writing takes without blocking (pipe(7), PIPE_BUF).
    private static var atomicSize: Int { 4096 }

    init(descriptor: Int32 = 1, name: String = "standard output") {
        self.descriptor = descriptor
        self.name = name
    }

    /// Prints a line and its end, at once. Throws `SystemError` if nobody reads any more.
    func print(_ line: [UInt8]) async throws {
        let bytes = line + [0x0A]
        let descriptor = descriptor
        let isFree = turn.availablePermits == 1 && bytes.count <= Self.atomicSize && isReady
        let code =
            isFree
            ? StandardStream.writeAll(bytes, to: descriptor)
            : try await turn.withPermit {
                try await EventLoop.current.offload { StandardStream.writeAll(bytes, to: descriptor) }
            }
        if code != 0 { throw SystemError(code: code, operation: "write to \(name)") }
    }

    private var isReady: Bool {
        var descriptor = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&descriptor, 1, 0) == 1 && descriptor.revents & Int16(POLLOUT) != 0
    }
}
