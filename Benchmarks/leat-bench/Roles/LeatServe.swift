import CFloor
import CommandKit
import Glibc
import Leat
import LeatLoop
import LeatReactor

/// Leat's server, answering every GET with 13 bytes, but for a few paths.
struct LeatServe {
    static let eventCount = Int(FLOOR_EVENTS)
    private static let text: HTTPFields = [.server: "leat", .contentType: "text/plain"]
    private static let hello = Array("Hello, World!".utf8)
    private static let chunk = [UInt8](repeating: 0, count: 64 * 1024)
    private static let event = Array(FLOOR_EVENT.utf8)
    let options: ServeOptions

    func run() async throws {
        let calls = SystemCallCounts.ofThisThread
        let counter = RequestCounter()
        let hasRoutes = options.hasRoutes
        var configuration = HTTPServer.Configuration()
        // Thousands of connections are idle while one after the other is opened.
        configuration.idleTimeout = .seconds(600)
        let address = SocketAddress.loopback(port: options.port)
        let server = try HTTPServer.bind(to: address, configuration: configuration) { request, body in
            counter.requests += 1
            if hasRoutes, let answer = try await Self.answer(request.path ?? "", body) { return answer }
            guard request.method == .get else {
                return HTTPServerResponse(status: .methodNotAllowed, headerFields: [.allow: "GET"])
            }
            return HTTPServerResponse(headerFields: Self.text, body: .bytes(Self.hello))
        }
        setTimers()
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

extension LeatServe {
    /// The answer of a path that has one of its own.
    private static func answer(_ path: String, _ body: HTTPBodyReader) async throws -> HTTPServerResponse? {
        switch path {
        case "/chunked":
            return HTTPServerResponse(
                body: .stream(contentType: "application/octet-stream") { writer in
                    for _ in 0..<Int(FLOOR_LONG_BODY) / chunk.count { try await writer.write(chunk) }
                }
            )
        case "/events":
            return HTTPServerResponse(
                body: .stream(contentType: "text/event-stream") { writer in
                    for _ in 0..<eventCount {
                        try await writer.write(event)
                        try await writer.flush()
                    }
                }
            )
        case "/upload":
            while try await body.read() != nil {}
            return HTTPServerResponse(headerFields: text, body: .bytes(hello))
        default:
            return nil
        }
    }

    /// Sets timers that are a day away.
    private func setTimers() {
        let loop = EventLoop.current
        for number in 0..<options.timers {
            loop.schedule(after: .seconds(86_400) + .milliseconds(number)) {}
        }
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
