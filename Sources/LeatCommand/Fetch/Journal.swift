import CommandKit
import Glibc

/// The file of `--resume`: the results of the runs before, to which this one appends its own.
final class Journal {
    let descriptor: Int32
    let path: String
    private(set) var keys = JournalKeys()
    /// Bytes of a last line whose end was never written, cut off.
    private(set) var tornBytes = 0

    private static let chunkSize = 1 << 20
    /// A longer line is an error: a body of the default maximum, with every byte escaped, has room.
    private static let maximumLine = 1 << 30

    /// Opens or makes the file, locks it, and reads what is in it. Throws ``UsageError``. Blocks.
    init(path: String) throws(UsageError) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0o644)
        guard descriptor >= 0 else { throw Self.failure("open", path) }
        var (own, output) = (stat(), stat())
        guard fstat(descriptor, &own) == 0, own.st_mode & S_IFMT == S_IFREG else {
            throw UsageError("the journal \(path) is not a regular file")
        }
        if fstat(1, &output) == 0, output.st_dev == own.st_dev, output.st_ino == own.st_ino {
            throw UsageError(
                "standard output is redirected to the journal \(path), where --resume writes anyway: leave the redirection "
                    + "away ('>' empties the file before leat can read it)"
            )
        }
        // Two runs at once would do the work twice. A file system without locks (ENOLCK) has to do without.
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
            throw UsageError("another process is writing the journal \(path)")
        }
        try read()
    }

    deinit { close(descriptor) }

    private func read() throws(UsageError) {
        var lines = LineBuffer()
        var number = 0
        var end = 0
        while true {
            let chunk = try readChunk(at: off_t(end + lines.pending))
            if chunk.isEmpty { break }
            lines.append(chunk)
            while let line = lines.next() {
                number += 1
                do throws(JournalKeys.Malformed) {
                    try keys.insert(line: line)
                } catch {
                    throw malformed(number, error.reason)
                }
                end += line.count + 1
            }
            guard lines.pending <= Self.maximumLine else {
                throw malformed(number + 1, "it is longer than \(Self.maximumLine) bytes")
            }
        }
        let tail = lines.takeRest()
        if !tail.isEmpty { try cut(tail, at: end, line: number + 1) }
    }

    /// A last line without its end: the process that wrote it was killed. Its request is made again. What cannot be the
    /// beginning of a result is somebody's file, named by mistake, and left alone.
    private func cut(_ tail: ArraySlice<UInt8>, at offset: Int, line: Int) throws(UsageError) {
        guard zip(tail, FetchResult.beginning).allSatisfy({ $0 == $1 }) else {
            throw malformed(line, "it does not begin like one")
        }
        tornBytes = tail.count
        guard ftruncate(descriptor, off_t(offset)) == 0 else { throw Self.failure("mend", path) }
    }

    private func readChunk(at offset: off_t) throws(UsageError) -> [UInt8] {
        var result = 0
        let chunk = [UInt8](unsafeUninitializedCapacity: Self.chunkSize) { buffer, count in
            repeat {
                result = pread(descriptor, buffer.baseAddress, buffer.count, offset)
            } while result < 0 && errno == EINTR
            count = max(0, result)
        }
        if result < 0 { throw Self.failure("read", path) }
        return chunk
    }

    private func malformed(_ line: Int, _ reason: String) -> UsageError {
        UsageError("line \(line) of the journal \(path) is not a result of leat fetch: \(reason)")
    }

    private static func failure(_ verb: String, _ path: String) -> UsageError {
        UsageError("cannot \(verb) the journal \(path): \(String(cString: strerror(errno)))")
    }
}
