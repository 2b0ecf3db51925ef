import Glibc
import Leat

/// The names in a directory: how many there are, and the first of them in the order of their bytes. Hidden ones are left out.
///
/// All operations block. They are called on an offload thread, one after the other.
final class DirectoryNames: @unchecked Sendable {
    struct Entry {
        let name: [UInt8]
        /// Of readdir(3): `DT_DIR` and the others.
        let type: UInt8
    }

    /// How many names there are.
    private(set) var count = 0
    private let stream: OpaquePointer
    private let limit: Int
    /// Up to twice the limit, so that there is one sort for every `limit` names.
    private var entries: [Entry] = []

    /// Names that are read at once: others wait for the thread.
    private static let pieceSize = 8192

    /// Keeps the first `limit` names.
    init(of directory: ServedFile, limit: Int) throws {
        self.limit = limit
        stream = try directory.openStream()
    }

    deinit { closedir(stream) }

    /// Reads some more names. Returns false when all are read.
    func readMore() throws -> Bool {
        for _ in 0..<Self.pieceSize {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw SystemError(code: errno, operation: "read the directory") }
                return false
            }
            let type = entry.pointee.d_type
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name.first != UInt8(ascii: ".") { add(Entry(name: name, type: type)) }
        }
        return true
    }

    /// The first names, sorted. They are handed over: there are none left.
    func takeFirst() -> [Entry] {
        keepFirst()
        defer { entries = [] }
        return entries
    }

    private func add(_ entry: Entry) {
        count += 1
        entries.append(entry)
        if entries.count >= 2 * limit { keepFirst() }
    }

    private func keepFirst() {
        entries.sort { Self.precedes($0.name, $1.name) }
        entries.removeLast(max(0, entries.count - limit))
    }

    private static func precedes(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        let order = memcmp(left, right, min(left.count, right.count))
        return order == 0 ? left.count < right.count : order < 0
    }
}
