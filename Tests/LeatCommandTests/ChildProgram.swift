import Glibc

/// A program of this package, run to its end with a time limit.
struct ChildProgram {
    var status: Int32
    var output: String

    /// Where the build put its products: beside the test bundle.
    static func path(of name: String) -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        var parts = String(decoding: buffer[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            .split(separator: "/").map(String.init)
        // The tests run from the bundle itself, or from a helper that was told where it is.
        if let bundle = CommandLine.arguments.first(where: { $0.hasSuffix(".xctest") }) {
            parts = bundle.split(separator: "/").map(String.init)
        }
        return "/" + parts.dropLast().joined(separator: "/") + "/" + name
    }

    /// Runs a shell command with `$LEAT` naming the command under test. At most 30 seconds.
    static func shell(_ script: String) -> ChildProgram {
        setenv("LEAT", path(of: "leat"), 1)
        // The proxies of whoever runs the tests are not to be tested.
        let variables = "http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY"
        return run("/usr/bin/timeout", ["30", "/bin/sh", "-c", "unset \(variables)\n\(script)"])
    }

    /// Starts `leat serve` on a port of the system's choice, runs a script with the address in `$URL`, and ends it.
    static func serving(_ arguments: String, _ script: String) -> ChildProgram {
        shell(
            """
            d=$(mktemp -d); trap 'kill $p 2>/dev/null; wait $p; rm -rf $d' EXIT
            mkdir -p $d/www/sub; printf hello > $d/www/a.txt; head -c 3000000 /dev/urandom > $d/www/big; cd $d
            $LEAT serve \(arguments) --port 0 > out & p=$!
            for i in $(seq 100); do grep -q listening out && break; sleep 0.05; done
            URL=$(sed 's/listening on //; s/.$//' out)
            \(script)
            """
        )
    }

    static func run(_ program: String, _ arguments: [String]) -> ChildProgram {
        var ends: [Int32] = [0, 0]
        precondition(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // Test threads block signals, and a child would too: `kill` in a script would do nothing.
        var attributes = posix_spawnattr_t()
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_init(&attributes)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        defer { posix_spawnattr_destroy(&attributes) }
        var words = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var process = pid_t()
        let spawned = posix_spawn(&process, program, &actions, &attributes, &words, environ)
        close(ends[1])
        defer { close(ends[0]) }
        guard spawned == 0 else { return ChildProgram(status: -1, output: "cannot run \(program): errno \(spawned)") }
        var output: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(ends[0], &piece, piece.count)
            if count <= 0 { break }
            output += piece[..<count]
        }
        var status: Int32 = 0
        waitpid(process, &status, 0)
        let code = status & 0x7F == 0 ? status >> 8 & 0xFF : -1
        return ChildProgram(status: code, output: String(decoding: output, as: UTF8.self))
    }

    static func isInstalled(_ tool: String) -> Bool {
        ["/usr/bin/", "/usr/sbin/", "/bin/", "/usr/local/bin/"].contains { access($0 + tool, X_OK) == 0 }
    }
}
