import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// Requests that arrive before the ones in front of them are answered.
@Suite(.timeLimit(.minutes(5)))
struct ServerPipeliningTests {
    /// Answers with the path: at once, after ten seconds, after the request body, or as a stream that begins late.
    private static let handler: HTTPServer.Handler = { request, body in
        let path = request.path!
        switch path {
        case "/wait": try await sleep(for: .seconds(10))
        case "/body": _ = try await body.collect(upTo: 100)
        case "/stream":
            return HTTPServerResponse(
                body: .stream { writer in
                    try await sleep(for: .seconds(10))
                    try await writer.write(path)
                }
            )
        default: break
        }
        return HTTPServerResponse(body: .text(path))
    }

    // MARK: One connection

    @Test(arguments: ["/wait", "/stream", "/body"])
    func aResponseDoesNotWaitForTheHandlerBehindIt(path: String) throws {
        try withHTTPServer(handler: Self.handler) { server in
            let client = try await RawClient.connect(to: server)
            let clock = EventLoop.current.clock
            let begun = clock.now
            let body = path == "/body" ? "late" : ""
            let request = RawClient.post(path, body: body)
            try await client.send(RawClient.get("/1") + RawClient.get("/2") + request.dropLast(body.count))
            #expect(try await client.response()?.text == "/1")
            #expect(try await client.response()?.text == "/2")
            #expect(begun.duration(to: clock.now) < .seconds(1))
            if path == "/body" {
                try await sleep(for: .seconds(10))
                try await client.send(body)
            }
            #expect(try await client.response()?.text == path)
            #expect(begun.duration(to: clock.now) >= .seconds(10))
            client.stream.close()
        }
    }

    @Test func pipelinedRequestsAreAnsweredInOrderAcrossSuspendingHandlers() throws {
        try withHTTPServer(handler: { request, body in
            let number = Int(request.path!.dropFirst())!
            // The later it is asked for, the sooner it would be ready.
            switch number % 4 {
            case 0: try await sleep(for: .milliseconds(100 - number))
            case 1: await Task.yield()
            case 2: _ = try await body.collect(upTo: 100)
            default: break
            }
            return HTTPServerResponse(body: .text("\(number)"))
        }) { server in
            let client = try await RawClient.connect(to: server)
            try await client.send((0..<80).map { RawClient.post("/\($0)", body: "body") }.joined())
            for number in 0..<80 { #expect(try await client.response()?.text == "\(number)") }
            client.stream.close()
        }
    }

    /// In one segment (0), and in pieces of this size that arrive one by one.
    @Test(arguments: [0, 1, 2, 3, 7, 31, 33, 64, 1000])
    func aHundredPipelinedRequestsInOneSegmentAreAllAnswered(split: Int) throws {
        try withHTTPServer(handler: { request, body in
            .init(body: .text("\(request.path!) \(try await body.text(upTo: 100))"))
        }) { server in
            let client = try await RawClient.connect(to: server)
            let requests = (0..<100).map { number in
                switch number % 4 {
                case 0: RawClient.get("/\(number)")
                case 1: RawClient.post("/\(number)", body: "body")
                case 2: "HEAD /\(number) HTTP/1.1\r\nHost: a\r\n\r\n"
                default:
                    "PUT /\(number) HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"
                }
            }.joined()
            onLoop {
                var rest = Array(requests.utf8)[...]
                while !rest.isEmpty {
                    try await client.stream.write(Array(rest.prefix(split == 0 ? .max : split)))
                    rest = rest.dropFirst(split == 0 ? .max : split)
                    try await sleep(for: .nanoseconds(1))
                }
            }
            for number in 0..<100 {
                let response = try await client.response(toHead: number % 4 == 2)
                let expected = number % 4 == 2 ? "" : "/\(number) \(number % 4 == 0 ? "" : "body")"
                #expect(response?.status == 200 && response?.text == expected, "\(number)")
            }
            client.stream.close()
        }
    }

    // MARK: The others

    @Test func anotherConnectionIsServedWhileHandlersSuspend() throws {
        try withHTTPServer(handler: Self.handler) { server in
            let clock = EventLoop.current.clock
            let begun = clock.now
            var waiting: [RawClient] = []
            for number in 0..<50 {
                let client = try await RawClient.connect(to: server)
                try await client.send(RawClient.get(number % 2 == 0 ? "/wait" : "/stream"))
                waiting.append(client)
            }
            let client = try await RawClient.connect(to: server)
            for number in 0..<5 { #expect(try await client.get("/\(number)")?.text == "/\(number)") }
            #expect(begun.duration(to: clock.now) < .seconds(1))
            // They wait side by side.
            for (number, client) in waiting.enumerated() {
                #expect(try await client.response()?.text == (number % 2 == 0 ? "/wait" : "/stream"))
                client.stream.close()
            }
            #expect(begun.duration(to: clock.now) < .seconds(11))
            client.stream.close()
        }
    }

    private static let pipeliners = 50
    private static let requestsOfEach = 1000

    /// How many requests of the pipelining clients have been handled, altogether and when the other one came and was handled.
    private final class Tally: @unchecked Sendable {
        var handled = 0
        var handledBeforeArrival: Int?
        var handledBeforeHandler: Int?
        /// Sends the request of the quiet connection.
        var arrive: (@Sendable () async throws -> Void)?
    }

    /// With their requests (0), or once so many of these are handled. Counted in requests and not in time, a turn is that each of
    /// the others is served at most twice, by 32 requests at a time.
    @Test(arguments: [0, 20_011])
    func pipeliningClientsDelayAnotherConnectionByATurnOnly(handledBefore: Int) throws {
        let tally = Tally()
        try withHTTPServer(handler: { request, _ in
            switch request.path! {
            case "/many":
                tally.handled += 1
                if tally.handled == handledBefore { try await tally.arrive!() }
            case "/quiet": tally.handledBeforeHandler = tally.handled
            default: break
            }
            return HTTPServerResponse()
        }) { server in
            let quiet = try await RawClient.connect(to: server)
            _ = try await quiet.get("/")
            tally.arrive = {
                tally.handledBeforeArrival = tally.handled
                try await quiet.send(RawClient.get("/quiet"))
            }
            var clients: [RawClient] = []
            for _ in 0..<Self.pipeliners {
                clients.append(try await RawClient.connect(to: server))
                _ = try await clients.last!.get("/")
            }
            let requests = String(repeating: RawClient.get("/many"), count: Self.requestsOfEach)
            for client in clients { try await client.send(requests) }
            if handledBefore == 0 { try await tally.arrive!() }
            #expect(try await quiet.response()?.status == 200)
            let (before, after) = try (#require(tally.handledBeforeArrival), #require(tally.handledBeforeHandler))
            #expect(before == handledBefore)
            #expect(after - before <= Self.pipeliners * 64, "\(after - before) were handled before it")
            // And nobody is forgotten.
            var answered = 0
            for client in clients {
                for _ in 0..<Self.requestsOfEach where try await client.response()?.status == 200 { answered += 1 }
                client.stream.close()
            }
            #expect(answered == Self.pipeliners * Self.requestsOfEach && tally.handled == answered)
            quiet.stream.close()
            tally.arrive = nil
        }
    }
}
