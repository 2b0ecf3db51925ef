import CLinux
import Glibc
import Leat

/// An open file or directory below the served one. All its operations may block, and are called on an offload thread.
final class ServedFile: Sendable {
    enum Kind {
        case file, directory
    }

    let kind: Kind
    let size: Int
    /// Seconds since 1970.
    let modified: Int
    let entityTag: String
    private let descriptor: Int32

    /// Opens what is at `path` below `directory`, or throws `SystemError`: ENOENT also for what is neither a file nor a
    /// directory, EXDEV for what lies outside.
    init(path: String, below directory: Int32) throws {
        let opened = clinux_open_beneath(directory, path)
        guard opened >= 0 else { throw SystemError(code: errno, operation: "open \(path)") }
        descriptor = opened
        var status = stat()
        fstat(opened, &status)
        switch status.st_mode & S_IFMT {
        case S_IFREG: kind = .file
        case S_IFDIR: kind = .directory
        default:
            kind = .file
            size = 0
            modified = 0
            entityTag = ""
            throw SystemError(code: ENOENT, operation: "open \(path)")
        }
        size = Int(status.st_size)
        modified = Int(status.st_mtim.tv_sec)
        let nanoseconds = UInt64(bitPattern: Int64(status.st_mtim.tv_sec &* 1_000_000_000 &+ status.st_mtim.tv_nsec))
        entityTag = "\"\(String(nanoseconds, radix: 16))-\(String(status.st_size, radix: 16))\""
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

    /// The names in a directory, sorted; those of directories end with a slash. Hidden ones are left out.
    func names() throws -> [String] {
        let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else {
            throw SystemError(code: errno, operation: "read the directory")
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard !name.hasPrefix(".") else { continue }
            var status = stat()
            let isDirectory = fstatat(descriptor, name, &status, 0) == 0 && status.st_mode & S_IFMT == S_IFDIR
            names.append(isDirectory ? name + "/" : name)
        }
        return names.sorted()
    }
}
