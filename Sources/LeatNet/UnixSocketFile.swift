import CLinux
import Glibc
import LeatReactor

/// The file of a Unix socket that this process listens at.
final class UnixSocketFile: @unchecked Sendable {
    private let path: String
    private let identity: Identity
    private var isRemoved = false

    private struct Identity: Equatable {
        let device: dev_t
        let file: ino_t

        /// Nil if there is no socket at the path; symbolic links are not followed.
        init?(path: String) {
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return nil }
            device = status.st_dev
            file = status.st_ino
        }
    }

    /// The file that a socket was bound to just now.
    init?(path: String) {
        guard let identity = Identity(path: path) else { return nil }
        self.path = path
        self.identity = identity
    }

    /// Removes the file, unless another has taken its place. Can be called twice.
    func remove() {
        guard !isRemoved else { return }
        isRemoved = true
        if Identity(path: path) == identity { unlink(path) }
    }

    /// Removes a socket's file at which nobody listens any more. Returns whether it did.
    static func removeStale(at address: SocketAddress) -> Bool {
        guard let path = address.unixPath, Identity(path: path) != nil else { return false }
        let descriptor = SystemCalls.socket(family: AF_UNIX, type: Int32(SOCK_STREAM.rawValue))
        guard descriptor >= 0 else { return false }
        defer { SystemCalls.close(Int32(descriptor)) }
        // A listener answers, or has a full backlog; anything else than a refusal is no proof that there is none.
        let result = address.withSockaddr { SystemCalls.connect(Int32(descriptor), $0, $1) }
        return result == -Int(ECONNREFUSED) && unlink(path) == 0
    }
}
