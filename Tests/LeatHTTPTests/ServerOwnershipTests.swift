import Leat
import LeatNet
import Testing

/// A loop, and what was made on it, goes with its last reference.
@Suite(.timeLimit(.minutes(5)))
struct ServerOwnershipTests {
    private final class References: @unchecked Sendable {
        weak var server: HTTPServer?
        weak var listener: TCPListener?
        weak var loop: EventLoop?
    }

    @Test func aListenerEndsWithItsLastReference() throws {
        let references = References()
        try runHTTPLoop {
            references.loop = .current
            references.listener = try TCPListener.bind(to: .loopback(port: 0))
        }
        #expect(references.listener == nil && references.loop == nil)
    }

    @Test func aServerThatNeverRanEndsWithItsLastReference() throws {
        let references = References()
        try runHTTPLoop {
            references.loop = .current
            references.server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in HTTPServerResponse() }
        }
        #expect(references.server == nil && references.loop == nil)
    }

    @Test func aServerThatHasRunEndsWithItsLastReference() throws {
        let references = References()
        try runHTTPLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, _ in
                if request.path == "/wait" { try await sleep(for: .seconds(1)) }
                return HTTPServerResponse()
            }
            references.loop = .current
            references.server = server
            let running = onLoop { try await server.run() }
            let (one, two) = (try await RawClient.connect(to: server), try await RawClient.connect(to: server))
            try await one.send(RawClient.get("/wait"))
            #expect(try await two.get("/")?.status == 200)
            #expect(try await one.response()?.status == 200)
            one.stream.close()
            server.beginGracefulShutdown()
            _ = try await running.value
        }
        #expect(references.server == nil && references.loop == nil)
    }
}
