import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// No response, no piece of a body and no memory of a request gets to an exchange that it does not belong to, whatever the others
/// do and whenever they end.
@Suite(.timeLimit(.minutes(5)))
struct ServerExchangeMixupTests {
    private static let id = HTTPField.Name("X-Exchange-Identifier")!

    // MARK: Responses

    /// Says its identifier again and again, in the ways that there are to answer. The request's body does, too.
    private static let repeating: HTTPServer.Handler = { request, body in
        let identifier = request.headerFields[id]!
        var response = HTTPServerResponse(headerFields: [id: identifier])
        switch request.path! {
        case "/now":
            response.body = .text(identifier)
        case "/yield":
            for _ in 0..<identifier.utf8.count { await Task.yield() }
            response.body = .text(request.headerFields[id]!)
        case "/later":
            try await sleep(for: .milliseconds(identifier.utf8.last!))
            response.body = .text(request.headerFields[id]!)
        case "/echo":
            let received = try await body.collect(upTo: 1 << 20)
            try await sleep(for: .microseconds(received.count % 1000))
            response.body = .bytes(received)
        case "/long":
            response.body = .text(String(repeating: identifier, count: 20_000))
        case "/unread":
            break
        default:
            response.body = .stream { writer in
                for number in 0..<20 {
                    try await writer.write(identifier)
                    if number % 3 == 0 { try await sleep(for: .milliseconds(number)) }
                }
            }
        }
        return response
    }

    /// What each path is answered with, and what is sent to it.
    private static let exchanges: [(path: String, copiesSent: Int, copiesReceived: Int)] = [
        ("/now", 0, 1), ("/yield", 0, 1), ("/later", 0, 1), ("/echo", 3, 3), ("/echo", 8_000, 8_000),
        ("/long", 0, 20_000),
        ("/unread", 5_000, 0), ("/stream", 0, 20),
    ]

    /// Makes requests, some of them pipelined, and goes away now and then in the middle of a request or of a response. Returns what
    /// it got that it had not asked for, and how many answers were right.
    private static func misbehave(_ name: String, _ seed: UInt64, _ server: HTTPServer) async throws
        -> (wrong: [String], right: Int)
    {
        var generator = SeededGenerator(seed: seed)
        var wrong: [String] = []
        var right = 0
        var client = try await RawClient.connect(to: server)
        for round in 0..<25 {
            let expected = (0..<Int.random(in: 1...3, using: &generator)).map { number in
                ("<\(name).\(round).\(number)>", exchanges.randomElement(using: &generator)!)
            }
            let bytes = expected.map { identifier, exchange in
                let body = String(repeating: identifier, count: exchange.copiesSent)
                return RawClient.post(exchange.path, "\(id): \(identifier)\r\n", body: body)
            }.joined()
            switch Int.random(in: 0..<6, using: &generator) {
            case 0:
                // In the middle of a request.
                let part = Int.random(in: 1..<min(bytes.utf8.count, 2_000), using: &generator)
                try await client.send(String(decoding: bytes.utf8.prefix(part), as: UTF8.self))
                try await sleep(for: .microseconds(Int.random(in: 0..<3_000, using: &generator)))
                client.stream.abort()
                client = try await RawClient.connect(to: server)
                continue
            case 1:
                // In the middle of a response, or before it.
                try await client.send(bytes)
                try await sleep(for: .microseconds(Int.random(in: 0..<30_000, using: &generator)))
                if Bool.random(using: &generator) { client.stream.abort() } else { client.stream.close() }
                client = try await RawClient.connect(to: server)
                continue
            default: break
            }
            let sender = client
            onLoop { try await sender.send(bytes) }
            for (identifier, exchange) in expected {
                let response = try await client.response()
                let text = String(repeating: identifier, count: exchange.copiesReceived)
                if response?.text == text, response?.field(id.canonicalName) == identifier {
                    right += 1
                } else {
                    wrong.append(
                        "\(identifier) \(exchange.path): \(response?.head ?? "") \(response?.text.prefix(50) ?? "")"
                    )
                }
            }
        }
        client.stream.close()
        return (wrong, right)
    }

    @Test(arguments: 0..<4)
    func noResponseReachesAnotherConnection(seed: UInt64) throws {
        try withHTTPServer(handler: Self.repeating) { server in
            let outcomes = try await (0..<50).concurrentMap(limit: 50) { number in
                try await Self.misbehave("client\(number)", seed * 1000 + UInt64(number), server)
            }
            let wrong = outcomes.flatMap(\.wrong)
            #expect(wrong.isEmpty, "\(wrong.count): \(wrong.prefix(3))")
            #expect(outcomes.map(\.right).reduce(0, +) > 1000)
            try await sleep(for: .seconds(200))
            #expect(server.connectionCount == 0)
        }
    }

    // MARK: Handlers that outlive their connection

    enum LateAct: CaseIterable, Sendable {
        case returns, fails, writes, reads, returnsLong
    }

    /// Handlers whose clients have gone do what they do when other connections, which may well have the same descriptors and the
    /// same memory, are in the middle of a request.
    @Test(arguments: LateAct.allCases)
    func aHandlerThatOutlivesItsConnectionHarmsNobody(act: LateAct) throws {
        struct Failure: Error {}
        let (isLate, begun, ended) = (Shared(false), Shared(0), Shared(0))
        try withHTTPServer(handler: { request, body in
            guard request.path == "/late" else { return try await Self.repeating(request, body) }
            begun.value += 1
            defer { ended.value += 1 }
            let wait: @Sendable () async -> Void = {
                // Cancelled or not.
                _ = await onLoop { while !isLate.value { try await sleep(for: .milliseconds(10)) } }.result
            }
            if act != .writes { await wait() }
            switch act {
            case .returns: return HTTPServerResponse(body: .text("stray"))
            case .returnsLong: return HTTPServerResponse(body: .text(String(repeating: "stray", count: 50_000)))
            case .fails: throw Failure()
            case .reads:
                // One that has gone does not send the rest.
                _ = try await body.collect(upTo: 1 << 20)
                return HTTPServerResponse(body: .text("stray"))
            case .writes:
                return HTTPServerResponse(
                    body: .stream { writer in
                        try await writer.write("begun")
                        await wait()
                        for _ in 0..<10 { try await writer.write("stray") }
                    }
                )
            }
        }) { server in
            let clock = EventLoop.current.clock
            for abruptly in [true, false] {
                isLate.value = false
                var gone: [RawClient] = []
                for _ in 0..<20 {
                    let client = try await RawClient.connect(to: server)
                    try await client.send("POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf")
                    gone.append(client)
                }
                try await sleep(for: .milliseconds(100))
                for client in gone { if abruptly { client.stream.abort() } else { client.stream.close() } }
                try await sleep(for: .milliseconds(100))
                // The others: half of a request, or waiting for their answer.
                var clients: [RawClient] = []
                for number in 0..<40 {
                    let client = try await RawClient.connect(to: server)
                    let request = RawClient.post("/echo", "\(Self.id): \(number)\r\n", body: "body of \(number)")
                    try await client.send(String(request.dropLast(number % 2 == 0 ? 3 : 40)))
                    clients.append(client)
                }
                try await sleep(for: .milliseconds(100))
                isLate.value = true
                try await sleep(for: .milliseconds(100))
                for (number, client) in clients.enumerated() {
                    let request = RawClient.post("/echo", "\(Self.id): \(number)\r\n", body: "body of \(number)")
                    try await client.send(String(request.suffix(number % 2 == 0 ? 3 : 40)))
                    for _ in 0..<2 {
                        let response = try await client.response()
                        #expect(response?.text == "body of \(number)")
                        #expect(response?.field(Self.id.canonicalName) == "\(number)")
                        try await client.send(request)
                    }
                    #expect(try await client.response()?.text == "body of \(number)")
                    client.stream.close()
                }
                let deadline = clock.now.advanced(by: .seconds(200))
                while ended.value < begun.value, clock.now < deadline { try await sleep(for: .seconds(1)) }
                #expect(begun.value > 0 && ended.value == begun.value)
            }
            try await sleep(for: .seconds(10))
            #expect(server.connectionCount == 0)
        }
    }

    // MARK: What a handler keeps

    /// Keeps a reader beyond its handler, which has read nothing of the body, a part of it, or all.
    @Test(arguments: ["/nothing", "/part", "/all"], [10, 100_000])
    func aReaderThatIsKeptBeyondItsHandlerThrows(path: String, length: Int) throws {
        let saved = Shared<HTTPBodyReader?>(nil)
        try withHTTPServer(handler: { request, body in
            switch request.path! {
            case "/part": _ = try await body.read()
            case "/all": _ = try await body.collect(upTo: 1 << 20)
            case "/next":
                // The bytes of this request are there, and not for that reader.
                await #expect(throws: HTTPError.self) { _ = try await saved.value!.read() }
                return HTTPServerResponse(body: .bytes(try await body.collect(upTo: 100)))
            default: break
            }
            saved.value = body
            return HTTPServerResponse()
        }) { server in
            let client = try await RawClient.connect(to: server)
            try await client.send(RawClient.post(path, body: String(repeating: "x", count: length)))
            #expect(try await client.response()?.status == 200)
            let kept = try #require(saved.value)
            let error = await #expect(throws: HTTPError.self) { _ = try await kept.read() }
            #expect(error?.kind == .invalidRequest)
            await #expect(throws: HTTPError.self) { _ = try await kept.collect(upTo: 1 << 20) }
            try await client.send(RawClient.post("/next", body: "next"))
            #expect(try await client.response()?.text == "next")
            // Nor when the connection is no more.
            client.stream.close()
            try await sleep(for: .seconds(10))
            await #expect(throws: HTTPError.self) { _ = try await kept.read() }
        }
    }

    /// A task that the handler has left behind waits for the body, and must not get that of another request.
    @Test func aTaskThatReadsOnBeyondItsHandlerGetsNothingOfTheNextRequest() throws {
        let (pieces, failure) = (Shared<[String]>([]), Shared<(any Error)?>(nil))
        try withHTTPServer(handler: { request, body in
            guard request.path == "/leave" else { return try await Self.repeating(request, body) }
            onLoop {
                do {
                    while let piece = try await body.read() {
                        pieces.value.append(String(decoding: piece, as: UTF8.self))
                    }
                } catch {
                    failure.value = error
                }
            }
            try await sleep(for: .seconds(1))
            return HTTPServerResponse()
        }) { server in
            let client = try await RawClient.connect(to: server)
            try await client.send("POST /leave HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n1234567890")
            let response = try await client.response()
            #expect(response?.status == 200)
            // If the connection goes on, the rest of the body is dropped, and the next request is answered.
            _ = try? await client.send("1234567890" + RawClient.post("/echo", "\(Self.id): a\r\n", body: "next"))
            do {
                let next = try await client.response()
                #expect(next == nil || next?.text == "next")
            } catch let error as NetworkError {
                #expect(error.kind == .reset)
            }
            try await sleep(for: .seconds(100))
            #expect(pieces.value == ["1234567890"])
            #expect(failure.value != nil)
            client.stream.close()
        }
    }

    @Test func aWriterThatIsKeptBeyondItsStreamThrows() throws {
        let saved = Shared<HTTPBodyWriter?>(nil)
        try withHTTPServer(handler: { request, body in
            guard request.path == "/stream" else { return try await Self.repeating(request, body) }
            return HTTPServerResponse(
                body: .stream { writer in
                    saved.value = writer
                    try await writer.write("stream")
                }
            )
        }) { server in
            let client = try await RawClient.connect(to: server)
            #expect(try await client.get("/stream")?.text == "stream")
            let kept = try #require(saved.value)
            for _ in 0..<3 {
                let error = await #expect(throws: HTTPError.self) { try await kept.write("stray") }
                #expect(error?.kind == .invalidRequest)
                #expect(try await client.get("/now", "\(Self.id): next\r\n")?.text == "next")
            }
            client.stream.close()
            try await sleep(for: .seconds(10))
            await #expect(throws: HTTPError.self) { try await kept.write("stray") }
        }
    }

    /// Every other request is kept, so that memory is used again in between, and of some only a field.
    @Test(arguments: [false, true])
    func aRequestThatIsKeptDoesNotChange(pipelined: Bool) throws {
        let (requests, fields) = (Shared<[Int: HTTPRequest]>([:]), Shared<[Int: HTTPFields]>([:]))
        let (values, count) = (Shared<[Int: String]>([:]), 300)
        try withHTTPServer(handler: { request, _ in
            let number = Int(request.headerFields[.accept]!)!
            switch number % 4 {
            case 0: requests.value[number] = request
            case 1: fields.value[number] = request.headerFields
            case 2: values.value[number] = request.headerFields[Self.id]
            default: break
            }
            if number % 5 == 0 { await Task.yield() }
            return HTTPServerResponse(body: .text(request.path!))
        }) { server in
            var clients: [RawClient] = []
            for _ in 0..<3 { clients.append(try await RawClient.connect(to: server)) }
            let numbers = Array(0..<count)
            for batch in stride(from: 0, to: count, by: pipelined ? 60 : 1) {
                let batch = numbers[batch..<min(count, batch + (pipelined ? 60 : 1))]
                for number in batch { try await clients[number % 3].send(Self.request(number)) }
                for number in batch {
                    #expect(try await clients[number % 3].response()?.text == Self.path(number))
                }
            }
            for client in clients { client.stream.close() }
            try await sleep(for: .seconds(10))
            for number in numbers {
                switch number % 4 {
                case 0:
                    let request = try #require(requests.value[number])
                    #expect(request.path == Self.path(number) && request.authority == "host-\(number).example")
                    #expect(request.method == (number % 8 == 0 ? .get : .delete))
                    #expect(Array(request.headerFields) == Self.fields(number))
                case 1: #expect(Array(try #require(fields.value[number])) == Self.fields(number))
                case 2: #expect(values.value[number] == Self.identifier(number))
                default: break
                }
            }
        }
    }

    private static func path(_ number: Int) -> String { "/a/path/that/is/not/short/\(number)?query=\(number * 7919)" }

    private static func identifier(_ number: Int) -> String {
        String(repeating: "identifier \(number) ", count: 1 + number % 40) + "."
    }

    /// As many as differ from request to request.
    private static func fields(_ number: Int) -> [HTTPField] {
        [HTTPField(name: .host, value: "host-\(number).example"), HTTPField(name: .accept, value: "\(number)")]
            + (0..<number % 17).map { HTTPField(name: .cookie, value: "cookie\($0)=\(number * 31 + $0)") }
            + [HTTPField(name: id, value: identifier(number))]
    }

    private static func request(_ number: Int) -> String {
        let lines = fields(number).map { "\($0.name): \($0.value)\r\n" }.joined()
        return "\(number % 8 == 0 ? "GET" : "DELETE") \(path(number)) HTTP/1.1\r\n\(lines)\r\n"
    }
}
