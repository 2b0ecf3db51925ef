import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

private let switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"

private func request(_ url: HTTPURL, _ headerFields: HTTPFields = [:], body: HTTPBody = .none) -> HTTPClientRequest {
    HTTPClientRequest(.get, url, headerFields: headerFields, body: body)
}

private func echo(_ stream: HTTPUpgradedStream) async throws {
    while let bytes = try await stream.read() { try await stream.write(bytes) }
}

extension HTTPUpgradedStream {
    /// Writes so many bytes and reads at the same time what an echo returns. Returns how many those are, or -1 if they are others.
    func sendAndReadBack(_ size: Int) async throws -> Int {
        async let writing: Void = {
            for number in 0..<size / 65536 {
                try await write([UInt8](repeating: UInt8(number & 0xFF), count: 65536))
            }
            try await finishWriting()
        }()
        var (count, isRight) = (0, true)
        while let piece = try await read() {
            for byte in piece {
                isRight = isRight && byte == UInt8(count / 65536 & 0xFF)
                count += 1
            }
        }
        try await writing
        return isRight ? count : -1
    }
}

/// Everything that is still to come.
private func rest(of stream: HTTPUpgradedStream) async throws -> String {
    var bytes: [UInt8] = []
    while let piece = try await stream.read() { bytes += piece }
    return String(decoding: bytes, as: UTF8.self)
}

/// A server on the loop that upgrades to what `handler` says.
private func serve(
    _ configuration: HTTPServer.Configuration = .init(),
    _ handler: @escaping HTTPServer.Handler = { _, _ in .upgrade(to: "echo", echo) }
) throws -> (server: HTTPServer, run: Task<Int, any Error>, url: HTTPURL) {
    let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration, handler: handler)
    let scheme = configuration.tls == nil ? "http" : "https"
    return (server, onLoop { try await server.run() }, HTTPURL("\(scheme)://\(server.localAddress)/x")!)
}

@Suite(.timeLimit(.minutes(5)))
struct UpgradeTests {
    // MARK: The client

    @Test func theRequestAsksForTheUpgradeOnce() throws {
        try runHTTPLoop(realTime: true) {
            let server = try ScriptedServer([[switching]])
            let fields: HTTPFields = [.connection: "keep-alive", .upgrade: "other", .init("X-Key")!: "k"]
            try await HTTPClient().upgrade(request(server.url, fields), to: "echo") { _, _ in }
            let lines = server.requests[0][0].split(separator: "\r\n").map(String.init)
            #expect(lines[0] == "GET /path HTTP/1.1")
            #expect(lines.filter { $0.hasPrefix("Upgrade:") } == ["Upgrade: echo"])
            #expect(lines.filter { $0.hasPrefix("Connection:") } == ["Connection: keep-alive", "Connection: Upgrade"])
            #expect(lines.contains("X-Key: k"))
        }
    }

    @Test(arguments: [false, true])
    func whatArrivesBehindTheHeadIsReadFirst(splitting: Bool) throws {
        try runHTTPLoop(realTime: true) {
            let answer = "HTTP/1.1 103 Early Hints\r\n\r\n\(switching)first, then the end"
            let server = try ScriptedServer([[answer]], splitting: splitting)
            try await HTTPClient().upgrade(request(server.url), to: "echo") { response, stream in
                #expect(response.status.code == 101)
                // No more than asked for, and the rest afterwards.
                var bytes: [UInt8] = []
                while bytes.count < 5, let piece = try await stream.read(upTo: 5 - bytes.count) { bytes += piece }
                #expect(String(decoding: bytes, as: UTF8.self) == "first")
                #expect(try await rest(of: stream) == ", then the end")
                #expect(try await stream.read() == nil)
            }
        }
    }

    @Test(arguments: [
        ("HTTP/1.1 403 Forbidden\r\nX-Why: you\r\nContent-Length: 4\r\n\r\nnope", 403, "nope"),
        ("HTTP/1.1 200 OK\r\nUpgrade: echo\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n", 200, ""),
        (
            "HTTP/1.1 426 Upgrade Required\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 426,
            "a"
        ),
        // A body whose end does not come is no reason not to say so.
        ("HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\nwell", 500, "well"),
        ("HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n" + String(repeating: "x", count: 99_999), 500, "x"),
    ])
    func aRefusalIsAnErrorWithTheResponse(answer: String, status: Int, body: String) throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            onLoop {
                let stream = try await listener.accept()
                _ = try await stream.read()
                try await stream.write(answer)
                _ = try await stream.read()
            }
            let url = HTTPURL("http://\(listener.localAddress)/")!
            let error = await #expect(throws: HTTPUpgradeRefused.self) {
                try await HTTPClient().upgrade(request(url), to: "echo") { _, _ in Issue.record("not upgraded") }
            }
            #expect(error?.response.status.code == status)
            #expect(error?.response.text.hasPrefix(body) == true && error!.response.body.count <= 65536)
            #expect(error?.response.url == url)
            #expect(error?.description.hasPrefix("the server did not switch to echo: it answered with status") == true)
        }
    }

    @Test func aConnectionOnWhichAnUpgradeWasRefusedServesTheNextRequest() throws {
        try runHTTPLoop(realTime: true) {
            let refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
            let server = try ScriptedServer([[refusal, switching + "hello"], [ok]])
            let client = HTTPClient()
            await #expect(throws: HTTPUpgradeRefused.self) {
                try await client.upgrade(request(server.url), to: "echo") { _, _ in }
            }
            let text = try await client.upgrade(request(server.url), to: "ECHO") { _, stream in
                try await rest(of: stream)
            }
            #expect(text == "hello")
            // The upgraded one does not come back to the pool.
            #expect(try await client.get(server.url).text == "ok")
            #expect(server.requests.map(\.count) == [2, 1])
        }
    }

    @Test(arguments: [
        "Upgrade: other\r\nConnection: Upgrade\r\n", "Connection: Upgrade\r\n", "Upgrade: echo\r\n",
        "Upgrade: echo, other\r\nConnection: Upgrade\r\n", "Upgrade: echo\r\nUpgrade: echo\r\nConnection: Upgrade\r\n",
        "Upgrade: echo/2\r\nConnection: Upgrade\r\n", "Upgrade:\r\nConnection: Upgrade\r\n", "",
    ])
    func aSwitchToSomethingElseIsRefused(fields: String) throws {
        try runHTTPLoop(realTime: true) {
            let server = try ScriptedServer([["HTTP/1.1 101 Switching Protocols\r\n\(fields)\r\n"], [ok]])
            let client = HTTPClient()
            let error = await #expect(throws: HTTPError.self) {
                try await client.upgrade(request(server.url), to: "echo") { _, _ in Issue.record("upgraded") }
            }
            #expect(error?.kind == .malformed)
            #expect(try await client.get(server.url).text == "ok")
        }
    }

    @Test func aSwitchThatNobodyCanUseIsMalformed() throws {
        try runHTTPLoop(realTime: true) {
            let server = try ScriptedServer([[switching], [switching], [ok]])
            let client = HTTPClient()
            let plain = await #expect(throws: HTTPError.self) { _ = try await client.get(server.url) }
            #expect(plain?.kind == .malformed)
            // With fields of one's own it has still nowhere to go.
            let fields: HTTPFields = [.connection: "Upgrade", .upgrade: "echo"]
            let own = await #expect(throws: HTTPError.self) {
                try await client.perform(request(server.url, fields)) { _, _ in }
            }
            #expect(own?.kind == .malformed)
            #expect(try await client.get(server.url).text == "ok")
        }
    }

    @Test func aSwitchBeforeTheEndOfTheRequestIsMalformed() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            onLoop {
                let stream = try await listener.accept()
                _ = try await stream.read(upTo: 100)
                try await stream.write(switching)
                try await sleep(for: .seconds(60))
                stream.close()
            }
            let url = HTTPURL("http://\(listener.localAddress)/")!
            let large = HTTPBody.bytes([UInt8](repeating: 1, count: 64 << 20))
            let error = await #expect(throws: HTTPError.self) {
                try await HTTPClient().upgrade(request(url, body: large), to: "echo") { _, _ in }
            }
            #expect(error?.kind == .malformed)
        }
    }

    @Test(arguments: ["", "a b", "a/b/c", "a/", "/", "a\r\nX: y", "a,b", "é"])
    func whatIsNoProtocolIsNotAskedFor(name: String) throws {
        try runHTTPLoop {
            let error = await #expect(throws: HTTPError.self) {
                try await HTTPClient().upgrade(request("http://127.0.0.1:1/"), to: name) { _, _ in }
            }
            #expect(error?.kind == .invalidRequest)
        }
    }

    @Test func redirectsAreFollowedFirst() throws {
        try runHTTPLoop(realTime: true) {
            let (server, _, url) = try serve { request, _ in
                if request.path == "/x" { return .init(status: .found, headerFields: [.location: "/y"]) }
                return .upgrade(to: "echo", echo)
            }
            let text = try await HTTPClient().upgrade(request(url), to: "echo") { _, stream in
                try await stream.write("moved")
                try await stream.finishWriting()
                return try await rest(of: stream)
            }
            #expect(text == "moved")
            #expect(server.connectionCount <= 1)
        }
    }

    @Test func aStreamIsOfNoUseAfterItsClosure() throws {
        try runHTTPLoop(realTime: true) {
            let (server, run, url) = try serve()
            let (stream, left) = try await HTTPClient().upgrade(request(url), to: "echo") { _, stream in
                let left = onLoop { try await stream.read() }
                try await sleep(for: .milliseconds(10))
                let second = await #expect(throws: HTTPError.self) { _ = try await stream.read() }
                #expect(second?.kind == .invalidRequest)
                return (stream, left)
            }
            await #expect(throws: HTTPError.self) { _ = try await left.value }
            for use in [{ _ = try await stream.read() }, { try await stream.write("x") }, stream.finishWriting] {
                let error = await #expect(throws: HTTPError.self) { try await use() }
                #expect(error?.kind == .invalidRequest)
            }
            server.beginGracefulShutdown()
            #expect(try await run.value == 0)
        }
    }

    @Test func aCancelledReadLosesNothingAndACancelledTaskEndsTheConnection() throws {
        try runHTTPLoop {
            let (server, run, url) = try serve { _, _ in
                .upgrade(to: "echo") { stream in
                    // The same on the server's side.
                    await #expect(throws: TimeoutError.self) {
                        _ = try await withTimeout(.milliseconds(10)) { try await stream.read() }
                    }
                    try await stream.write("now")
                    try await echo(stream)
                }
            }
            let client = HTTPClient()
            let task = onLoop {
                try await client.upgrade(request(url), to: "echo") { _, stream in
                    await #expect(throws: TimeoutError.self) {
                        _ = try await withTimeout(.milliseconds(5)) { try await stream.read() }
                    }
                    #expect(try await stream.read() == Array("now".utf8))
                    _ = try await stream.read()
                }
            }
            try await sleep(for: .milliseconds(500))
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            while server.connectionCount > 0 { try await sleep(for: .milliseconds(1)) }
            server.beginGracefulShutdown()
            #expect(try await run.value == 0)
        }
    }

    @Test func aPeerThatTakesNothingStopsTheWriterForALimitedTime() throws {
        try runHTTPLoop {
            let (_, run, url) = try serve { _, _ in
                .upgrade(to: "echo") { _ in try await sleep(for: .seconds(100)) }
            }
            var configuration = HTTPClient.Configuration()
            configuration.readTimeout = .seconds(5)
            var errors: [HTTPError] = []
            try await HTTPClient(configuration: configuration).upgrade(request(url), to: "echo") { _, stream in
                for count in [64 << 20, 1] {
                    do {
                        try await stream.write([UInt8](repeating: 1, count: count))
                    } catch let error as HTTPError {
                        errors.append(error)
                    }
                }
            }
            #expect(errors.map(\.kind) == [.timeout, .invalidRequest])
            #expect(errors.first?.phase == .send)
            run.cancel()
        }
    }

    @Test func bothDirectionsFlowAtOnce() throws {
        try runHTTPLoop(realTime: true) {
            let (_, _, url) = try serve()
            let size = 8 << 20
            let sum = try await HTTPClient().upgrade(request(url), to: "echo") { _, stream in
                try await stream.sendAndReadBack(size)
            }
            #expect(sum == size)
        }
    }

    @Test func aCancelledWriteIsTheLast() throws {
        try runHTTPLoop {
            let (_, run, url) = try serve { _, _ in
                .upgrade(to: "echo") { _ in try await sleep(for: .seconds(100)) }
            }
            try await HTTPClient().upgrade(request(url), to: "echo") { _, stream in
                await #expect(throws: TimeoutError.self) {
                    try await withTimeout(.seconds(1)) {
                        try await stream.write([UInt8](repeating: 1, count: 64 << 20))
                    }
                }
                let error = await #expect(throws: HTTPError.self) { try await stream.write("x") }
                #expect(error?.kind == .invalidRequest)
            }
            run.cancel()
        }
    }

    // MARK: The server

    /// Sends bytes in pieces, and reads to the end.
    private func exchange(_ address: SocketAddress, _ bytes: String, cutAt cut: Int? = nil) async throws -> String {
        let stream = try await TCPStream.connect(to: address)
        let bytes = Array(bytes.utf8)
        try await stream.write(Array(bytes[..<(cut ?? bytes.count)]))
        if let cut {
            for _ in 0..<5 { await Task.yield() }
            try await stream.write(Array(bytes[cut...]))
        }
        stream.finishWriting()
        var answer: [UInt8] = []
        while let piece = try await withTimeout(.seconds(2), { try await stream.read() }) { answer += piece }
        return String(decoding: answer, as: UTF8.self)
    }

    private let offer = "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, upgrade\r\nUpgrade: other ,\tEcho\r\n\r\n"

    @Test func whatFollowsTheRequestBelongsToTheNewProtocolWhereverItIsCut() throws {
        try runHTTPLoop(realTime: true) {
            let (server, _, _) = try serve()
            let bytes = offer + "\r\nGET / HTTP/1.1\r\n"
            for cut in 0...bytes.utf8.count {
                let answer = try await exchange(server.localAddress, bytes, cutAt: cut)
                #expect(answer == switching + "\r\nGET / HTTP/1.1\r\n", "cut at \(cut)")
            }
        }
    }

    @Test func requestsBeforeTheUpgradeAreAnsweredBeforeIt() throws {
        try runHTTPLoop(realTime: true) {
            let (server, _, _) = try serve { request, _ in
                request.path == "/plain" ? .init(body: .text("plain")) : .upgrade(to: "echo", echo)
            }
            let plain = "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n"
            let answer = try await exchange(server.localAddress, plain + offer + plain)
            let parts = answer.split(separator: "HTTP/1.1 101")
            #expect(parts.count == 2 && parts[0].hasPrefix("HTTP/1.1 200") && parts[0].hasSuffix("plain"))
            #expect(parts[1].hasSuffix("\r\n\r\n" + plain))
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: a\r\n", "426"),
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\n", "426"),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo/2, other\r\n", "426"),
        ("GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n", "426"),
        ("GET /bare HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n", "500"),
        ("GET /hints HTTP/1.1\r\nHost: a\r\n", "500"),
        ("GET /bad HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n", "500"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\nExpect: 100-continue\r\nContent-Length: 9\r\n",
            "500"
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: echo\r\n", "101"),
    ])
    func anUpgradeThatCannotBeIsAnsweredInstead(head: String, status: String) throws {
        try runHTTPLoop(realTime: true) {
            let (server, _, _) = try serve { request, _ in
                switch request.path {
                case "/bare": .init(status: .switchingProtocols, headerFields: [.upgrade: "echo"])
                case "/hints": .init(status: .earlyHints)
                case "/bad": .upgrade(to: "echo", headerFields: [.server: "a\r\nX: y"], echo)
                default: .upgrade(to: "echo", echo)
                }
            }
            let answer = try await exchange(server.localAddress, head + "\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
            #expect(!answer.contains("X: y"))
            if status == "426" { #expect(answer.contains("Upgrade: echo\r\nConnection: Upgrade\r\n")) }
        }
    }

    @Test func theBodyOfTheRequestComesBeforeTheUpgrade() throws {
        try runHTTPLoop(realTime: true) {
            let (server, _, url) = try serve { request, body in
                let text = request.path == "/drop" ? "" : try await body.text(upTo: 100)
                return .upgrade(to: "echo", headerFields: [.init("X-Body")!: text], echo)
            }
            let body = HTTPBody.stream { writer in try await writer.write("ticket") }
            let text = try await HTTPClient().upgrade(request(url, body: body), to: "echo") { response, stream in
                #expect(response.headerFields[.init("X-Body")!] == "ticket")
                try await stream.write("then")
                try await stream.finishWriting()
                return try await rest(of: stream)
            }
            #expect(text == "then")
            let dropped = offer.replacing("GET /", with: "POST /drop").replacing(
                "Host",
                with: "Content-Length: 3\r\nHost"
            )
            #expect(try await exchange(server.localAddress, dropped + "abcdef").hasSuffix("\r\n\r\ndef"))
        }
    }

    @Test func aHandlerThatThrowsOrReturnsEndsTheConnection() throws {
        struct Failure: Error {}
        try runHTTPLoop(realTime: true) {
            let (server, run, url) = try serve { request, _ in
                .upgrade(to: "echo") { stream in
                    try await stream.write("last words")
                    if request.path == "/x" { throw Failure() }
                }
            }
            let client = HTTPClient()
            for path in ["/x", "/y"] {
                let text = try await client.upgrade(request(url.appending(path: path)), to: "echo") { _, stream in
                    try await rest(of: stream)
                }
                #expect(text == "last words")
            }
            server.beginGracefulShutdown()
            #expect(try await run.value == 0)
        }
    }

    @Test func aShutdownWaitsForAnUpgradedConnectionAndThenCancelsIt() throws {
        try runHTTPLoop {
            let (server, run, url) = try serve { request, _ in
                if request.path == "/late" { try await sleep(for: .milliseconds(500)) }
                return .upgrade(to: "echo", echo)
            }
            let client = HTTPClient()
            let patient = onLoop {
                try await client.upgrade(request(url), to: "echo") { _, stream in
                    try await sleep(for: .seconds(1))
                    // The server is shutting down, and still there.
                    try await stream.write("still")
                    #expect(try await stream.read() == Array("still".utf8))
                    #expect(try await stream.read() == nil)
                }
            }
            try await sleep(for: .milliseconds(100))
            let late = onLoop {
                try await client.upgrade(request(url.appending(path: "/late")), to: "echo") { _, _ in }
            }
            try await sleep(for: .milliseconds(100))
            server.beginGracefulShutdown()
            let refusal = await #expect(throws: HTTPUpgradeRefused.self) { try await late.value }
            #expect(refusal?.response.status == .serviceUnavailable)
            try await patient.value
            #expect(try await run.value == 1)
        }
    }
}

extension HTTPURL {
    fileprivate func appending(path: String) -> HTTPURL { HTTPURL("\(scheme)://\(authority)\(path)")! }
}
