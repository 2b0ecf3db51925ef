import CFloor
import Glibc

/// A process of this same executable in one of its roles.
///
/// It can never be left behind: it dies with its parent (by the kernel's hand, also after SIGKILL), it is killed when this
/// object goes, and an alarm ends it in any case. All waiting here is bounded.
final class ChildProcess {
    struct Failure: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) {
            self.description = description
        }
    }

    /// The first argument of every child.
    static let marker = "--child"
    /// No role takes as long as this, even with tens of thousands of idle connections on a slow machine.
    static let lifetimeSeconds: UInt32 = 300

    let pid: pid_t
    private let role: String
    private var input: Int32
    private let output: Int32
    private var received: [UInt8] = []
    private var isReaped = false

    /// What a child does first.
    static func behaveAsChild() {
        floor_die_with_parent()
        alarm(lifetimeSeconds)
    }

    /// Starts `leat-bench ARGUMENTS` on the given processor.
    init(_ arguments: [String], on cpu: Int32?) throws {
        role = arguments.first ?? ""
        let toChild = try Self.pipe()
        let fromChild = try Self.pipe()
        // Affinity is inherited, so the child is in its place before it runs its first instruction.
        let everywhere = Processors.allowed
        if let cpu { Processors.restrict(to: [cpu]) }
        let (result, pid) = Self.spawn([Self.marker] + arguments, input: toChild.read, output: fromChild.write)
        if cpu != nil { Processors.restrict(to: everywhere) }
        close(toChild.read)
        close(fromChild.write)
        self.pid = pid
        input = toChild.write
        output = fromChild.read
        guard result == 0 else {
            isReaped = true
            throw Failure("cannot start \(role): \(String(cString: strerror(result)))")
        }
    }

    deinit {
        closeInput()
        close(output)
        if !isReaped {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
    }

    private static func pipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { throw Failure("cannot make a pipe: \(String(cString: strerror(errno)))") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    private static func spawn(_ arguments: [String], input: Int32, output: Int32) -> (result: Int32, pid: pid_t) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        var pointers = (["leat-bench"] + arguments).map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        pointers.append(nil)
        var pid: pid_t = -1
        let result = posix_spawn(&pid, "/proc/self/exe", &actions, nil, pointers, environ)
        return (result, pid)
    }

    // MARK: Talking

    /// Gives the child a line.
    func send(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = write(input, bytes, bytes.count)
    }

    func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }

    /// The next line of the child's output; nil when that has ended.
    func line(within seconds: Int) throws -> String? {
        let deadline = monotonicNanoseconds() + Int64(seconds) * 1_000_000_000
        while true {
            if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: received[..<end], as: UTF8.self)
                received.removeSubrange(...end)
                return line
            }
            guard try receive(until: deadline) else { return nil }
        }
    }

    /// Waits for output and takes it. False at its end.
    private func receive(until deadline: Int64) throws -> Bool {
        while true {
            let left = (deadline - monotonicNanoseconds()) / 1_000_000
            guard left > 0 else { throw Failure("\(role) did not answer in time") }
            var waiting = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, Int32(left)) > 0 else { continue }
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = read(output, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            received += chunk[..<max(count, 0)]
            return count > 0
        }
    }

    /// The figures of the child's next line.
    func fields(within seconds: Int) throws -> Fields {
        guard let line = try line(within: seconds) else {
            try wait(within: 5)
            throw Failure("\(role) ended without a word")
        }
        return Fields(parsing: line)
    }

    /// Ends the conversation: closes the child's input, takes all that it still says, and sees it end well.
    func finish(within seconds: Int) throws -> Fields {
        closeInput()
        var all = Fields()
        while let line = try line(within: seconds) { all.merge(Fields(parsing: line)) }
        try wait(within: 5)
        return all
    }

    /// Waits for a process whose output has ended. Throws if it did not exit with status 0.
    private func wait(within seconds: Int) throws {
        var status: Int32 = 0
        for _ in 0..<seconds * 1_000 {
            let result = waitpid(pid, &status, WNOHANG)
            if result == pid || (result < 0 && errno == ECHILD) {
                isReaped = true
                guard status == 0 else {
                    throw Failure("\(role) failed (status \(status >> 8 & 0xff), signal \(status & 0x7f))")
                }
                return
            }
            usleep(1_000)
        }
        throw Failure("\(role) does not end")
    }
}
