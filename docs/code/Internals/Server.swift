import Leat

/// Chapter "A server's connection": which task serves which connection, and how many tasks there are.
func server() throws {
    try EventLoop.run {
        let gate = AsyncSemaphore(value: 0)
        let runners = RunnerNames()
        let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, _, context in
            let runner = runners.current
            let name = "connection \(context.connectionID), \(request.uri.path)"
            print("  \(runner) serves \(name)")
            if request.uri.path == "/slow" {
                try await gate.acquire()
                print("  \(runner) goes on with \(name)")
            }
            return HTTPServerResponse(body: .text("#"))
        }
        async let served = server.run()
        let first = try await TCPStream.connect(to: server.localAddress)
        let second = try await TCPStream.connect(to: server.localAddress)

        print("both ask, one after the other")
        try await ask("/a", on: first)
        try await answers(1, on: first)
        try await ask("/b", on: second)
        try await answers(1, on: second)
        printTasks(of: server)

        print("connection 1 asks for /slow, then connection 2 for /c and /d at once")
        try await ask("/slow", on: first)
        try await ask("/c", "/d", on: second)
        try await answers(2, on: second)
        printTasks(of: server)

        print("the handler of /slow goes on")
        gate.release()
        try await answers(1, on: first)
        printTasks(of: server)

        first.close()
        second.close()
        server.beginGracefulShutdown()
        print("cut off: \(try await served)")
    }
}

private func ask(_ paths: String..., on stream: TCPStream) async throws {
    try await stream.write(paths.map { "GET \($0) HTTP/1.1\r\nHost: x\r\n\r\n" }.joined())
}

/// Waits for so many responses; the body of each is one `#`.
private func answers(_ count: Int, on stream: TCPStream) async throws {
    var rest = count
    while rest > 0, let bytes = try await stream.read() { rest -= bytes.count { $0 == UInt8(ascii: "#") } }
}

private func printTasks(of server: HTTPServer) {
    let waits = EventLoop.current.currentWaits().map(\.reason)
    let (suspended, resting) = (waits.count { $0 == .semaphore }, waits.count { $0 == .request })
    print("  \(server.connectionCount) connections. Runners:", terminator: " ")
    print("\(suspended) in a suspended handler, \(resting) at rest")
}

/// Gives the tasks in which handlers run a name, in the order in which they first run one. Confined to the loop.
private final class RunnerNames: @unchecked Sendable {
    private var numbers: [Int: Int] = [:]

    var current: String {
        let task = withUnsafeCurrentTask { $0.hashValue }
        let number = numbers[task] ?? numbers.count + 1
        numbers[task] = number
        return "runner \(number)"
    }
}
