import Glibc
import LeatLoop
import LeatReactor

extension HTTPBody {
    /// The content of a regular file, sent with a Content-Length. The file is read in pieces of 64 KiB while it is sent, on a
    /// thread beside the loop. It is never in memory as a whole.
    ///
    /// The end of the path says the content type: `image/png` for `.png`. There is none if that says nothing.
    ///
    /// The size is read now. The file is opened anew each time the body is sent, so such a request can be retried. Sending fails
    /// with ``HTTPError`` of kind `.bodyLength` if the file has another size by then, or changes its size meanwhile.
    ///
    /// Throws `SystemError` if the file cannot be looked at, and ``HTTPError`` of kind `.invalidRequest` if it is no regular
    /// file. To be called on a loop.
    public static func file(at path: String) async throws -> HTTPBody {
        let size = try await EventLoop.current.offload { try BodyFile(path).size() }
        return .stream(length: size, isReplayable: true, type: HTTPContentType(path: path)) { writer in
            let loop = EventLoop.current
            let file = try await loop.offload { try BodyFile(path) }
            // Once, even for an empty file: its size is checked as well.
            var start = 0
            repeat {
                let piece = start..<min(start + BodyFile.pieceSize, size)
                try await writer.write(try await loop.offload { try file.read(piece, of: size) })
                start = piece.upperBound
            } while start < size
        }
    }
}

/// An open file whose content is sent. All its operations may block, and are called on an offload thread.
private final class BodyFile: Sendable {
    /// How much is read at once.
    static let pieceSize = 65536

    private let path: String
    private let descriptor: Int32

    init(_ path: String) throws {
        guard !path.utf8.contains(0) else { throw HTTPError(.invalidRequest, "the path of a file contains a NUL") }
        // Without O_NONBLOCK, opening a pipe would wait for its other end.
        descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        self.path = path
        guard descriptor >= 0 else { throw SystemError(code: errno, operation: "open \(path)") }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The size now. Throws `.invalidRequest` for anything else than a regular file.
    func size() throws -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SystemError(code: errno, operation: "fstat \(path)") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw HTTPError(.invalidRequest, "\(path) is not a regular file")
        }
        return Int(status.st_size)
    }

    /// Reads exactly these bytes. Throws `.bodyLength` if the file has not the size that was announced.
    func read(_ range: Range<Int>, of announced: Int) throws -> [UInt8] {
        guard try size() == announced else { throw changed(announced) }
        var failure: Int32?
        let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            while count < range.count {
                let start = buffer.baseAddress! + count
                let result = pread(descriptor, start, range.count - count, off_t(range.lowerBound + count))
                if result < 0, errno == EINTR { continue }
                guard result > 0 else {
                    if result < 0 { failure = errno }
                    return
                }
                count += result
            }
        }
        if let failure { throw SystemError(code: failure, operation: "read \(path)") }
        guard bytes.count == range.count else { throw changed(announced) }
        return bytes
    }

    private func changed(_ announced: Int) -> HTTPError {
        HTTPError(.bodyLength, "\(path) no longer has the \(announced) bytes that were announced")
    }
}
