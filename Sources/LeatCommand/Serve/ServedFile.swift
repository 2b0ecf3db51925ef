import CLinux
import Glibc
import Leat

/// An open file or directory below the served one. All its operations may block, and are called on an offload thread.
final class ServedFile: Sendable {
    enum Kind {
        case file, directory
    }

    let kind: Kind
    /// As fstat(2) has it: 0 also for files that have content all the same, as those of proc(5).
    let size: Int
    let validators: Validators
    private let descriptor: Int32

    /// Opens what is at `path` below `directory`, or throws `SystemError`: ENOENT also for what is neither a file nor a
    /// directory, EXDEV for what lies outside.
    init(path: [UInt8], below directory: Int32) throws {
        let operation = "open \(String(decoding: path, as: UTF8.self))"
        let opened = clinux_open_beneath(directory, Self.terminated(path))
        guard opened >= 0 else { throw SystemError(code: errno, operation: operation) }
        descriptor = opened
        var status = stat()
        fstat(opened, &status)
        switch status.st_mode & S_IFMT {
        case S_IFREG: kind = .file
        case S_IFDIR: kind = .directory
        default:
            kind = .file
            size = 0
            validators = Validators()
            throw SystemError(code: ENOENT, operation: operation)
        }
        size = Int(status.st_size)
        let nanoseconds = UInt64(bitPattern: Int64(status.st_mtim.tv_sec &* 1_000_000_000 &+ status.st_mtim.tv_nsec))
        validators = Validators(
            entityTag: EntityTag(strong: "\(String(nanoseconds, radix: 16))-\(String(status.st_size, radix: 16))"),
            modified: Int(status.st_mtim.tv_sec)
        )
    }

    deinit { close(descriptor) }

    /// Reads exactly these bytes. Throws if the file has become shorter.
    func read(_ range: Range<Int>) throws -> [UInt8] {
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            while count < range.count {
                let start = buffer.baseAddress! + count
                let result = pread(descriptor, start, range.count - count, off_t(range.lowerBound + count))
                if result < 0, errno == EINTR { continue }
                if result <= 0 {
                    code = result < 0 ? errno : EIO
                    return
                }
                count += result
            }
        }
        if code != 0 { throw SystemError(code: code, operation: "read") }
        return bytes
    }

    /// Reads on from where the last call ended, and up to so many bytes. Fewer are the last; none, that there are no more.
    func readOn(upTo count: Int) throws -> [UInt8] {
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let result = Glibc.read(descriptor, buffer.baseAddress! + filled, count - filled)
                if result < 0, errno == EINTR { continue }
                if result < 0 { code = errno }
                if result <= 0 { return }
                filled += result
            }
        }
        if code != 0 { throw SystemError(code: code, operation: "read") }
        return bytes
    }

    /// Opens a directory for readdir(3). The caller closes it.
    func openStream() throws -> OpaquePointer {
        // A descriptor of its own, for closedir(3) closes it.
        let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { throw SystemError(code: errno, operation: "open the directory") }
        guard let stream = fdopendir(copy) else {
            let code = errno
            close(copy)
            throw SystemError(code: code, operation: "open the directory")
        }
        return stream
    }

    /// Whether a name in this directory is that of a directory, or of a symbolic link to one.
    func hasDirectory(named name: [UInt8]) -> Bool {
        var status = stat()
        return fstatat(descriptor, Self.terminated(name), &status, 0) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func terminated(_ path: [UInt8]) -> [CChar] { path.map { CChar(bitPattern: $0) } + [0] }
}
