import Glibc
import Leat
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@testable import LeatHTTP

/// Requests are sent at the end of the turn in which they were made.
@Suite(.timeLimit(.minutes(5)))
struct PendingWriteTests {
    private func connection(to listener: TCPListener) async throws -> HTTPConnection {
        let socket = try await Socket.connect(to: listener.localAddress, loop: .current)
        return HTTPConnection(socket: socket, role: .response, limits: HTTPLimits())
    }

    /// What the kernel does not take then is sent by whoever waits for the answer.
    @Test func aPeerThatReadsSlowlyGetsEverything() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let http = try await connection(to: listener)
            http.socket.setOption(SOL_SOCKET, SO_SNDBUF, 4096)
            let peer = onLoop {
                let stream = try await listener.accept()
                var received = 0
                while received < 1 << 20 {
                    received += try await stream.read(upTo: 50_000)!.count
                    try await sleep(for: .milliseconds(1))
                }
                try await stream.write("done")
                return received
            }
            http.output.append([UInt8](repeating: 0x61, count: 1 << 20))
            http.flushLater()
            #expect(try await http.fill())
            #expect(!http.isBlocked)
            #expect(try await peer.value == 1 << 20)
            http.close()
        }
    }

    /// Nobody waits for the rest of a request that was answered before it was sent.
    @Test func anAnswerEndsTheWaitForARestThatIsNotTaken() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let http = try await connection(to: listener)
            let peer = onLoop {
                let stream = try await listener.accept()
                try await sleep(for: .seconds(1))
                try await stream.write("enough")
                return stream
            }
            http.output.append([UInt8](repeating: 0x61, count: 8 << 20))
            http.flushLater()
            #expect(try await http.fill(timeout: 5_000_000_000))
            #expect(http.isBlocked)
            http.close()
            try await peer.value.close()
        }
    }

    @Test func aConnectionThatIsClosedInTheSameTurnSendsNothing() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            var http: HTTPConnection? = try await connection(to: listener)
            let stream = try await listener.accept()
            http!.output.append("GET / HTTP/1.1\r\n\r\n")
            http!.flushLater()
            http!.close()
            http = nil
            #expect(try await stream.read() == nil)
            stream.close()
        }
    }

    /// More than are sent at once, and a peer that has gone among them.
    @Test func everyRequestOfATurnIsSent() throws {
        try runHTTPLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, _ in
                HTTPServerResponse(body: .text(request.path!))
            }
            onLoop { try await server.run() }
            let client = HTTPClient()
            for _ in 0..<3 {
                let texts = try await (0..<100).concurrentMap(limit: 100) { number in
                    try await client.get(HTTPURL("http://\(server.localAddress)/\(number)")!).text
                }
                #expect(texts == (0..<100).map { "/\($0)" })
            }
            await client.shutdown()
            server.beginGracefulShutdown()
        }
    }
}
