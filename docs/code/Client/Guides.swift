// The programs of docs/guides/{streaming,timeouts-and-retries,sessions}.md: `swift run doc-client streaming` and so on.
import Leat

@main struct Guides {
    static func main() throws {
        // Time moves by itself when nothing happens, so the waits cost none.
        var configuration = EventLoop.Configuration()
        configuration.clock = .manual(ManualClock(autojump: true))
        try EventLoop.run(configuration: configuration) {
            switch CommandLine.arguments.dropFirst().first {
            case "streaming": try await streaming()
            case "timeouts": try await timeouts()
            case "sessions": try await sessions()
            default: print("usage: doc-client streaming | timeouts | sessions")
            }
        }
    }
}

/// Runs a server beside `body`, which gets its URL.
func serving(
    _ handler: @escaping HTTPServer.Handler,
    _ body: (HTTPURL) async throws -> Void
) async throws {
    let server = try HTTPServer.bind(to: .loopback(port: 0), handler: handler)
    let task = Task(executorPreference: EventLoop.current.taskExecutor) { try await server.run() }
    try await body(HTTPURL("http://\(server.localAddress)/")!)
    server.beginGracefulShutdown()
    _ = try await task.value
}

/// A server that accepts connections, and says nothing.
func silentServer() throws -> (TCPListener, HTTPURL) {
    let listener = try TCPListener.bind(to: .loopback(port: 0))
    Task(executorPreference: EventLoop.current.taskExecutor) {
        var kept: [TCPStream] = []
        for try await stream in listener.connections { kept.append(stream) }
    }
    return (listener, HTTPURL("http://\(listener.localAddress)/")!)
}
