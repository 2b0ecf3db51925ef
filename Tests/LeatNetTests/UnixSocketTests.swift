import CLinux
import Glibc
import LeatLoop
import LeatReactor
import Testing

@testable import LeatNet

private func run(
    clock: ManualClock = ManualClock(autojump: true),
    _ body: sending @escaping () async throws -> Void
) throws {
    var configuration = EventLoop.Configuration()
    configuration.clock = .manual(clock)
    configuration.debug = false
    try EventLoop.run(configuration: configuration, body)
}

/// A directory that is gone after the test.
private final class Directory {
    let path: String

    init() {
        var template = Array("/tmp/leat-unix-XXXXXX".utf8CString)
        mkdtemp(&template)
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit { ChildFiles.remove(path) }
}

private enum ChildFiles {
    static func remove(_ directory: String) {
        guard let stream = opendir(directory) else { return }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { unlink("\(directory)/\(name)") }
        }
        rmdir(directory)
    }
}

@Suite(.timeLimit(.minutes(5)))
struct UnixSocketTests {
    private func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    private func exchange(at address: SocketAddress) async throws {
        let listener = try TCPListener.bind(to: address)
        #expect(listener.localAddress == address)
        let client = try await TCPStream.connect(to: address)
        let served = try await listener.accept()
        #expect(client.remoteAddress == address && served.localAddress == address)
        #expect(served.remoteAddress?.isUnix == true)
        try await client.write("ping")
        let received = try await served.read()
        #expect(received == Array("ping".utf8))
        try await served.write([UInt8](repeating: 1, count: 100))
        served.close()
        var count = 0
        while let bytes = try await client.read() { count += bytes.count }
        #expect(count == 100)
        client.close()
        listener.close()
        #expect(EventLoop.current.statistics.descriptors == 0)
    }

    @Test func aPathIsAnAddress() throws {
        try run {
            let directory = Directory()
            let path = directory.path + "/socket"
            let address = try SocketAddress.unix(path: path)
            #expect(address.unixPath == path && address.description == "unix:\(path)" && address.ip.isEmpty)
            try await exchange(at: address)
            #expect(!exists(path))
        }
    }

    @Test func anAbstractNameIsAnAddress() throws {
        try run {
            let address = try SocketAddress.unix(abstractName: "leat-test-\(getpid())-é")
            #expect(address.unixPath == nil && address.description == "unix:@leat-test-\(getpid())-é")
            try await exchange(at: address)
        }
    }

    @Test func aNameMustFit() throws {
        let longest = "/" + String(repeating: "x", count: 106)
        #expect(try SocketAddress.unix(path: longest).unixPath == longest)
        #expect(try SocketAddress.unix(abstractName: String(repeating: "x", count: 106)).isUnix)
        let path = #expect(throws: NetworkError.self) { try SocketAddress.unix(path: longest + "x") }
        #expect(path?.code == ENAMETOOLONG)
        let name = #expect(throws: NetworkError.self) {
            try SocketAddress.unix(abstractName: String(repeating: "x", count: 107))
        }
        #expect(name?.code == ENAMETOOLONG)
        #expect(throws: NetworkError.self) { try SocketAddress.unix(path: "") }
        #expect(throws: NetworkError.self) { try SocketAddress.unix(path: "a\0b") }
        #expect(throws: NetworkError.self) { try SocketAddress.unix(abstractName: "") }
    }

    @Test func theLongestPathReachesTheKernelWhole() throws {
        try run {
            let directory = Directory()
            let path = directory.path + "/" + String(repeating: "x", count: 106 - directory.path.utf8.count)
            #expect(path.utf8.count == 107)
            let listener = try TCPListener.bind(to: try .unix(path: path))
            #expect(listener.localAddress.unixPath == path && exists(path))
            listener.close()
        }
    }

    @Test func aFileWithoutAListenerIsReplaced() throws {
        try run {
            let directory = Directory()
            let address = try SocketAddress.unix(path: directory.path + "/socket")
            // What a process that was killed leaves behind.
            let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            let bound = address.withSockaddr { Glibc.bind(socket, $0, $1) }
            #expect(bound == 0)
            _ = Glibc.close(socket)
            let error = await #expect(throws: NetworkError.self) { _ = try await TCPStream.connect(to: address) }
            #expect(error?.kind == .refused)
            try await exchange(at: address)
        }
    }

    @Test func aListenerIsNotReplaced() throws {
        try run {
            let directory = Directory()
            let address = try SocketAddress.unix(path: directory.path + "/socket")
            let listener = try TCPListener.bind(to: address)
            let error = #expect(throws: NetworkError.self) { try TCPListener.bind(to: address) }
            #expect(error?.kind == .addressInUse)
            // The failed one has not taken the file away.
            let stream = try await TCPStream.connect(to: address)
            stream.close()
            listener.close()
        }
    }

    @Test func aFileThatIsNoSocketIsNotReplaced() throws {
        try run {
            let directory = Directory()
            let path = directory.path + "/file"
            fclose(fopen(path, "w"))
            let error = #expect(throws: NetworkError.self) { try TCPListener.bind(to: try .unix(path: path)) }
            #expect(error?.kind == .addressInUse && exists(path))
        }
    }

    @Test func aFileThatIsAnothersIsNotRemoved() throws {
        try run {
            let directory = Directory()
            let address = try SocketAddress.unix(path: directory.path + "/socket")
            let first = try TCPListener.bind(to: address)
            unlink(address.unixPath!)
            let second = try TCPListener.bind(to: address)
            first.close()
            let stream = try await TCPStream.connect(to: address)
            stream.close()
            second.close()
            #expect(!exists(address.unixPath!))
        }
    }

    @Test func aFullBacklogIsWaitedFor() throws {
        try run {
            let address = try SocketAddress.unix(abstractName: "leat-backlog-\(getpid())")
            let listener = try TCPListener.bind(to: address, backlog: 0)
            let first = try await TCPStream.connect(to: address)
            let error = await #expect(throws: NetworkError.self) {
                _ = try await TCPStream.connect(to: address, timeout: .seconds(5))
            }
            #expect(error?.kind == .timedOut)
            let second = Task(executorPreference: EventLoop.current.taskExecutor) { @concurrent in
                try await TCPStream.connect(to: address)
            }
            try await sleep(for: .seconds(1))
            let accepted = try await [listener.accept(), listener.accept()]
            let connected = try await second.value
            for stream in accepted + [first, connected] { stream.close() }
            listener.close()
            #expect(EventLoop.current.statistics.descriptors == 0)
        }
    }

    @Test func aDeadlineThatPassedWithinTheTurnEndsTheWaitForABacklog() throws {
        let clock = ManualClock(autojump: true)
        try run(clock: clock) {
            let loop = EventLoop.current
            let address = try SocketAddress.unix(abstractName: "leat-backlog-late-\(getpid())")
            let listener = try TCPListener.bind(to: address, backlog: 0)
            let first = try await TCPStream.connect(to: address)
            let deadline = loop.clock.now.advanced(by: .seconds(5))
            clock.advance(by: .seconds(10))
            let begun = clock.now
            let error = await #expect(throws: NetworkError.self) {
                _ = try await Socket.connect(to: address, loop: loop, until: deadline)
            }
            #expect(error?.kind == .timedOut)
            #expect(clock.now == begun)
            first.close()
            listener.close()
        }
    }
}
