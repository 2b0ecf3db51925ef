import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor

/// Runs a body on a loop whose time moves by itself when nothing happens: timeouts cost no time. With a peer in another
/// process something can be about to happen that the loop cannot know of, so there it has to be `realTime`.
func runHTTPLoop(realTime: Bool = false, _ body: sending @escaping () async throws -> Void) throws {
    var configuration = EventLoop.Configuration()
    if !realTime { configuration.clock = .manual(ManualClock(autojump: true)) }
    configuration.debug = false
    try EventLoop.run(configuration: configuration, body)
}

@discardableResult
func onLoop<T: Sendable>(_ body: sending @escaping @concurrent () async throws -> T) -> Task<T, any Error> {
    Task(executorPreference: EventLoop.current.taskExecutor, operation: body)
}

/// A server that says what a script tells it to: for each connection, for each request, these bytes. An empty answer
/// closes the connection.
final class ScriptedServer: @unchecked Sendable {
    let listener: TCPListener
    private(set) var requests: [[String]] = []
    private var task: Task<Void, any Error>?

    init(_ script: [[String]], splitting: Bool = false) throws {
        listener = try TCPListener.bind(to: .loopback(port: 0))
        task = onLoop {
            for answers in script {
                let stream = try await self.listener.accept()
                self.requests.append([])
                onLoop { try await self.serve(stream, answers, splitting) }
            }
        }
    }

    var url: HTTPURL { HTTPURL("http://\(listener.localAddress)/path")! }

    private func serve(_ stream: TCPStream, _ answers: [String], _ splitting: Bool) async throws {
        let connection = requests.count - 1
        for answer in answers {
            var head = ""
            while !head.contains("\r\n\r\n") {
                guard let bytes = try await stream.read() else { return stream.close() }
                head += String(decoding: bytes, as: UTF8.self)
            }
            requests[connection].append(head)
            if answer.isEmpty { break }
            for piece in splitting ? answer.utf8.map({ [$0] }) : [Array(answer.utf8)] {
                try await stream.write(piece)
                if splitting { await Task.yield() }
            }
        }
        stream.close()
    }
}

let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
