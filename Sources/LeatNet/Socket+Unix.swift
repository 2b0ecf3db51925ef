import CLinux
import Glibc
import LeatLoop
import LeatReactor

extension Socket {
    /// The first wait while a backlog is full; it doubles up to the longest.
    private static var firstPause: Duration { .milliseconds(1) }
    private static var longestPause: Duration { .milliseconds(50) }

    /// Connects to a Unix socket, which needs no waiting unless the listener's backlog is full. The kernel has no event for
    /// room in it (EAGAIN, connect(2)), so that is tried again until the deadline.
    ///
    /// The socket is registered once it is connected: epoll reports a hang-up for one that is not.
    static func connectUnix(
        to address: SocketAddress,
        _ operation: String,
        loop: EventLoop,
        until deadline: LoopInstant
    ) async throws -> Socket {
        var pause = firstPause
        while true {
            if Task.isCancelled { throw CancellationError() }
            let descriptor = SystemCalls.socket(family: AF_UNIX, type: Int32(SOCK_STREAM.rawValue))
            guard descriptor >= 0 else { throw SystemError(code: Int32(-descriptor), operation: "socket") }
            let result = address.withSockaddr { SystemCalls.connect(Int32(descriptor), $0, $1) }
            if result >= 0 { return try Socket(descriptor: Int32(descriptor), loop: loop, isReady: true) }
            SystemCalls.close(Int32(descriptor))
            guard result == -Int(EAGAIN) else { throw NetworkError(code: Int32(-result), operation: operation) }
            let next = loop.clock.now.advanced(by: pause)
            guard next < deadline else { throw NetworkError.timedOut(operation) }
            try await sleep(for: pause)
            pause = min(pause * 2, longestPause)
        }
    }
}
