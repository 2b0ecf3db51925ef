import CommandKit
import Glibc
import Leat
import LeatLoop
import LeatReactor

/// Leat's server, answering every GET with 13 bytes.
struct LeatServe {
    private static let text: HTTPFields = [.server: "leat", .contentType: "text/plain"]
    private static let hello = Array("Hello, World!".utf8)
    let options: ServeOptions

    func run() async throws {
        let calls = SystemCallCounts.ofThisThread
        let counter = RequestCounter()
        let server = try HTTPServer.bind(to: .loopback(port: options.port)) { request, _ in
            counter.requests += 1
            guard request.method == .get else {
                return HTTPServerResponse(status: .methodNotAllowed, headerFields: [.allow: "GET"])
            }
            return HTTPServerResponse(headerFields: Self.text, body: .bytes(Self.hello))
        }
        let port = server.localAddress.port
        Terminal.say("listening port=\(port) url=http://127.0.0.1:\(port)/")
        if options.endsWithInput {
            try EventLoop.current.reactor.poller.add(
                Lifeline(descriptor: STDIN_FILENO) { server.beginGracefulShutdown() }
            )
        }
        try await server.run()
        var fields = Fields()
        fields.add("requests", counter.requests)
        fields.add(SystemCallCounts.ofThisThread - calls)
        fields.addAllocations()
        fields.addProcessStatus()
        Terminal.say(fields.line)
    }
}

/// How many requests came. Confined to the loop.
private final class RequestCounter: @unchecked Sendable {
    var requests = 0
}

/// Watches a pipe that nobody writes to: its end is the end of the process at the other side.
private final class Lifeline: PollSource {
    private let onEnd: () -> Void

    init(descriptor: Int32, onEnd: @escaping () -> Void) {
        self.onEnd = onEnd
        super.init(descriptor: descriptor)
    }

    override func becameReady(_ readiness: Readiness) {
        if readiness.contains(.readable) { onEnd() }
    }
}
