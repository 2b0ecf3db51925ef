import Glibc

/// A child process that is ended with the test.
final class PeerProcess {
    private let process: pid_t

    init(_ command: String) {
        var child = pid_t()
        let line = ["/bin/sh", "-c", "exec timeout 30 " + command]
        var words: [UnsafeMutablePointer<CChar>?] = []
        for word in line { words.append(strdup(word)) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var attributes = posix_spawnattr_t()
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_init(&attributes)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let result = posix_spawn(&child, "/bin/sh", nil, &attributes, &words, environ)
        precondition(result == 0)
        process = child
    }

    deinit {
        kill(process, SIGTERM)
        var status: Int32 = 0
        waitpid(process, &status, 0)
    }
}
