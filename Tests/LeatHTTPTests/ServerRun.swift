import Glibc
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// A value that tasks of one loop share.
final class Shared<Value>: @unchecked Sendable {
    var value: Value

    init(_ value: Value) { self.value = value }
}

/// Runs `body` with a server, which is then shut down and has to end by itself.
func withHTTPServer(
    _ configuration: HTTPServer.Configuration = .init(),
    handler: @escaping HTTPServer.Handler,
    _ body: sending @escaping (HTTPServer) async throws -> Void
) throws {
    try runBoundedLoop {
        let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration, handler: handler)
        let run = ServerRun(server)
        try await body(server)
        server.beginGracefulShutdown()
        try await run.result()
    }
}

/// As `runHTTPLoop`, and stops the loop after 50 seconds of real time: what a broken server does is a failure, not a hang.
func runBoundedLoop(_ body: sending @escaping () async throws -> Void) throws {
    try runHTTPLoop {
        let watchdog = Watchdog(EventLoop.current, seconds: 50)
        defer { watchdog.end() }
        try await body()
    }
}

/// A call of `run()` whose end can be waited for with a limit, whatever the server does.
final class ServerRun: @unchecked Sendable {
    struct NotOver: Error {}

    private var outcome: Result<Int, any Error>?
    private var task: Task<Void, any Error>?
    /// When `run()` returned.
    private(set) var end: LoopInstant?

    init(_ server: HTTPServer) {
        task = onLoop {
            let outcome: Result<Int, any Error>
            do { outcome = .success(try await server.run()) } catch { outcome = .failure(error) }
            self.outcome = outcome
            self.end = EventLoop.current.clock.now
        }
    }

    var isOver: Bool { outcome != nil }

    func cancel() { task?.cancel() }

    /// What `run()` returned or threw. Throws `NotOver` if it does neither in this time.
    @discardableResult
    func result(within patience: Duration = .seconds(200)) async throws -> Int {
        let clock = EventLoop.current.clock
        let deadline = clock.now.advanced(by: patience)
        while outcome == nil, clock.now < deadline { try await sleep(for: .milliseconds(10)) }
        guard let outcome else { throw NotOver() }
        return try outcome.get()
    }
}

/// A thread that stops a loop after a time, unless it is ended before. The test's time limit cannot: its task does not
/// suspend while the loop runs.
private final class Watchdog: @unchecked Sendable {
    private let loop: EventLoop
    private let seconds: Int
    private let over = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init(_ loop: EventLoop, seconds: Int) {
        self.loop = loop
        self.seconds = seconds
        sem_init(over, 0, 0)
        var thread = pthread_t()
        let created = pthread_create(
            &thread,
            nil,
            { context in
                Unmanaged<Watchdog>.fromOpaque(context!).takeRetainedValue().watch()
                return nil
            },
            Unmanaged.passRetained(self).toOpaque()
        )
        precondition(created == 0, "pthread_create failed with errno \(created)")
        pthread_detach(thread)
    }

    deinit {
        sem_destroy(over)
        over.deallocate()
    }

    func end() { sem_post(over) }

    private func watch() {
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        deadline.tv_sec += seconds
        while sem_timedwait(over, &deadline) != 0 {
            if errno == ETIMEDOUT { return loop.stop() }
        }
    }
}
