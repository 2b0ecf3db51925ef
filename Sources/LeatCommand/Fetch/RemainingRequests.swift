import CommandKit
import Glibc
import Leat

/// The file of `--save-remaining`: requests that were not finished, in the form in which `leat fetch` reads them.
///
/// It is written under another name and then put in place at once, so the file may be the very one that is being read, and
/// is never half there.
struct RemainingRequests {
    private let path: String
    private let temporary: String
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private(set) var count = 0

    /// Written to the file at a time.
    private static let pieceSize = 1 << 16

    /// Looks, before there is anything to be lost, whether the file can be made. Throws ``UsageError``.
    static func check(_ path: String) throws(UsageError) {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            throw UsageError("--save-remaining \(path) is there already, and not a regular file")
        }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        let directory = parts.isEmpty ? "." : parts.joined(separator: "/") + "/"
        guard access(directory, W_OK | X_OK) == 0 else {
            throw UsageError("--save-remaining cannot make a file in \(directory): \(String(cString: strerror(errno)))")
        }
    }

    init(path: String) throws(SystemError) {
        self.path = path
        temporary = "\(path).\(getpid())"
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw SystemError(code: errno, operation: "open \(temporary)") }
    }

    mutating func append(_ line: [UInt8]) throws(SystemError) {
        buffer += line
        buffer.append(0x0A)
        count += 1
        if buffer.count >= Self.pieceSize { try flush() }
    }

    /// Puts the file in place. Returns how many requests are in it.
    mutating func finish() throws(SystemError) -> Int {
        try flush()
        guard fsync(descriptor) == 0, close(descriptor) == 0, rename(temporary, path) == 0 else {
            throw SystemError(code: errno, operation: "write \(path)")
        }
        return count
    }

    private mutating func flush() throws(SystemError) {
        let code = StandardStream.writeAll(buffer, to: descriptor)
        if code != 0 { throw SystemError(code: code, operation: "write \(temporary)") }
        buffer.removeAll(keepingCapacity: true)
    }
}
