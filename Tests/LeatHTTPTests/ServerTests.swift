import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// Starts a server, passes its address to a body, and shuts it down.
private func withServer(
    _ configuration: HTTPServer.Configuration = .init(),
    handler: @escaping HTTPServer.Handler,
    _ body: sending @escaping (HTTPServer) async throws -> Void
) throws {
    try runHTTPLoop {
        let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration, handler: handler)
        let serving = onLoop { try await server.run() }
        try await body(server)
        server.beginGracefulShutdown()
        #expect(try await serving.value == 0)
        #expect(server.connectionCount == 0)
    }
}

private let hello: HTTPServer.Handler = { _, _ in HTTPServerResponse(body: .text("hello")) }

/// Sends bytes, and reads until the server closes or nothing more comes.
private func exchange(_ server: HTTPServer, _ bytes: String, patience: Duration = .seconds(1)) async throws -> String {
    let stream = try await TCPStream.connect(to: server.localAddress)
    defer { stream.close() }
    try await stream.write(bytes)
    var answer: [UInt8] = []
    do {
        while let piece = try await withTimeout(patience, { try await stream.read() }) { answer += piece }
    } catch is TimeoutError {}
    return String(decoding: answer, as: UTF8.self)
}

@Suite(.timeLimit(.minutes(5)))
struct ServerTests {
    @Test func pipelinedRequestsAreAnsweredInOrder() throws {
        try withServer(handler: { request, _ in HTTPServerResponse(body: .text("<\(request.path!)>")) }) { server in
            let requests = (0..<100).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined()
            let answer = try await exchange(server, requests)
            let bodies = answer.split(separator: "<").dropFirst().map { $0.prefix { $0 != ">" } }
            #expect(bodies.map(String.init) == (0..<100).map { "/\($0)" })
        }
    }

    @Test func aHeadResponseHasTheLengthAndNoBody() throws {
        try withServer(handler: hello) { server in
            let answer = try await exchange(server, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(answer.contains("Content-Length: 5\r\n"))
            #expect(answer.hasSuffix("\r\n\r\n"))
        }
    }

    @Test func anOldClientIsAnsweredAndClosedUnlessItAsksToGoOn() throws {
        try withServer(handler: hello) { server in
            #expect(try await exchange(server, "GET / HTTP/1.0\r\n\r\n").contains("Connection: close\r\n"))
            let kept = try await exchange(server, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(kept.contains("Connection: keep-alive\r\n"))
        }
    }

    @Test func bodiesOfBothFramingsReachTheHandler() throws {
        try withServer(handler: { _, body in .init(body: .bytes(try await body.collect(upTo: 100))) }) { server in
            let length = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
            let chunked =
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            let answer = try await exchange(server, length + chunked)
            #expect(answer.contains("\r\n\r\nhelloHTTP/1.1 200 OK"))
            #expect(answer.hasSuffix("abcde"))
        }
    }

    @Test func continueIsSentWhenTheHandlerReadsAndNotOtherwise() throws {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        try withServer(handler: { request, body in
            request.path == "/" ? .init(body: .bytes(try await body.collect(upTo: 9))) : .init(status: .forbidden)
        }) { server in
            let stream = try await TCPStream.connect(to: server.localAddress)
            try await stream.write(head)
            let interim = String(decoding: try await stream.read() ?? [], as: UTF8.self)
            #expect(interim == "HTTP/1.1 100 Continue\r\n\r\n")
            try await stream.write("ok")
            let final = String(decoding: try await stream.read() ?? [], as: UTF8.self)
            #expect(final.hasSuffix("ok"))
            stream.close()
            let refused = try await exchange(server, head.replacingPath(with: "/no"))
            #expect(refused.hasPrefix("HTTP/1.1 403"))
            #expect(refused.contains("Connection: close\r\n"))
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\nHost: a\n\n", "400"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501"),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 100_000))\r\n\r\n", "431"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", "413"),
    ])
    func whatIsNotARequestIsRefusedAndTheConnectionClosed(bytes: String, status: String) throws {
        try withServer(handler: hello) { server in
            let answer = try await exchange(server, bytes)
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
            #expect(answer.contains("Connection: close\r\n"))
        }
    }

    @Test func theHeadsThatUsersSendAreLetThrough() throws {
        try withServer(handler: hello) { server in
            let path = "/" + String(repeating: "p", count: 7_980)
            let fields = (0..<58).map { "X-\($0): v\r\n" }.joined()
            let long = "X-Long: \(String(repeating: "v", count: 4_000))\r\n"
            let answer = try await exchange(server, "GET \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\(long)\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test func aHeadThatDripsIsAnsweredWithATimeoutAndAnUnusedConnectionIsClosed() throws {
        try withServer(handler: hello) { server in
            let dripping = try await exchange(server, "GET / HTTP/1.1\r\nHos", patience: .seconds(100))
            #expect(dripping.hasPrefix("HTTP/1.1 408 "))
            let unused = try await exchange(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", patience: .seconds(100))
            #expect(unused.hasPrefix("HTTP/1.1 200 ") && unused.hasSuffix("hello"))
        }
    }

    @Test func aHandlerThatThrowsIsAnsweredWith500AndTheConnectionGoesOn() throws {
        struct Failure: Error {}
        try withServer(handler: { request, _ in
            if request.path == "/bad" { throw Failure() }
            if request.path == "/inject" { return .init(headerFields: [.server: "a\r\nX: y"]) }
            return .init(body: .text("good"))
        }) { server in
            let answer = try await exchange(
                server,
                ["/bad", "/inject", "/"].map { "GET \($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined()
            )
            #expect(answer.split(separator: "HTTP/1.1 ").map { $0.prefix(3) } == ["500", "500", "200"])
            #expect(!answer.contains("X: y"))
        }
    }

    @Test func aStreamedBodyArrivesWholeAndOneThatFailsIsNotEnded() throws {
        struct Failure: Error {}
        try withServer(handler: { request, _ in
            .init(
                body: .stream { writer in
                    for number in 0..<3 { try await writer.write("\(number)") }
                    if request.path == "/bad" { throw Failure() }
                }
            )
        }) { server in
            let whole = try await exchange(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(whole.hasSuffix("\r\n\r\n1\r\n0\r\n1\r\n1\r\n1\r\n2\r\n0\r\n\r\n"))
            let broken = try await exchange(server, "GET /bad HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(broken.hasSuffix("1\r\n2\r\n"))
            let old = try await exchange(server, "GET / HTTP/1.0\r\n\r\n")
            #expect(old.hasSuffix("\r\n\r\n012"))
        }
    }

    @Test func aGracefulShutdownAnswersWhatIsUnderWayAndClosesWhatIsIdle() throws {
        try runHTTPLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in
                try await sleep(for: .milliseconds(100))
                return HTTPServerResponse(body: .text("late"))
            }
            let serving = onLoop { try await server.run() }
            let idle = try await TCPStream.connect(to: server.localAddress)
            let busy = onLoop { try await exchange(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
            try await sleep(for: .milliseconds(50))
            server.beginGracefulShutdown()
            let answer = try await busy.value
            #expect(answer.contains("Connection: close\r\n") && answer.hasSuffix("late"))
            #expect(try await idle.read() == nil)
            let cancelled = try await serving.value
            #expect(cancelled == 0)
            await #expect(throws: NetworkError.self) { _ = try await TCPStream.connect(to: server.localAddress) }
        }
    }

    @Test func aShutdownCancelsWhatTakesTooLong() throws {
        try runHTTPLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in
                try await sleep(for: .seconds(3600))
                return HTTPServerResponse()
            }
            let serving = onLoop { try await server.run() }
            onLoop { try await exchange(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", patience: .seconds(3600)) }
            try await sleep(for: .milliseconds(50))
            server.beginGracefulShutdown()
            let cancelled = try await serving.value
            #expect(cancelled == 1)
        }
    }

    @Test func clientAndServerExchangeLargeBodiesAsStreams() throws {
        try withServer(handler: { _, body in
            var count = 0
            while let piece = try await body.read() { count += piece.count }
            let total = count
            return .init(
                body: .stream(length: total) { writer in
                    for _ in 0..<total / 65536 { try await writer.write([UInt8](repeating: 9, count: 65536)) }
                }
            )
        }) { server in
            let client = HTTPClient()
            let upload = HTTPBody.stream { writer in
                for _ in 0..<160 { try await writer.write([UInt8](repeating: 1, count: 65536)) }
            }
            let request = HTTPClientRequest(.put, HTTPURL("http://\(server.localAddress)/")!, body: upload)
            let received = try await client.perform(request) { response, body in
                #expect(response.status == .ok)
                var count = 0
                for try await piece in body { count += piece.count }
                return count
            }
            #expect(received == 160 * 65536)
            await client.shutdown()
        }
    }
}

extension String {
    fileprivate func replacingPath(with path: String) -> String {
        "POST \(path)" + dropFirst("POST /".count)
    }
}
