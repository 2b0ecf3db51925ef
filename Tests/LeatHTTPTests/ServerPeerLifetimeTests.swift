import Glibc
import Leat
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@testable import LeatHTTP

/// Connections of a server that end, or change hands, at awkward moments.
@Suite(.timeLimit(.minutes(5)))
struct ServerPeerLifetimeTests {
    private struct Cut: Error {}

    /// The connection of a handler's request.
    private static func peer(_ context: HTTPServerContext) -> ServerPeer {
        Mirror(reflecting: context).descendant("peer") as! ServerPeer
    }

    private static func bind(
        _ configuration: HTTPServer.Configuration = .init(),
        _ handler: @escaping HTTPServer.ContextualHandler
    ) throws -> HTTPServer {
        try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration, handler: handler)
    }

    // MARK: Upgrades

    /// The task reads on after the closure of the upgrade has returned.
    @Test(arguments: [1, 40])
    func anUpgradedStreamThatATaskStillReadsLeavesNoConnectionBehind(clients: Int) throws {
        var configuration = HTTPServer.Configuration()
        configuration.shutdownTimeout = .seconds(5)
        let tasks = Shared<[Task<Void, any Error>]>([])
        try withHTTPServer(
            configuration,
            handler: { request, _ in
                if request.path == "/" { return HTTPServerResponse(body: .text("ok")) }
                return .upgrade(to: "echo") { stream in
                    tasks.value.append(onLoop { _ = try await stream.read() })
                    try await sleep(for: .milliseconds(10))
                }
            }
        ) { server in
            for _ in 0..<clients {
                let client = try await RawClient.connect(to: server)
                try await client.send(RawClient.get("/up", "Connection: Upgrade\r\nUpgrade: echo\r\n"))
                #expect(try await client.head()?.status == 101)
                try await client.end()
                let next = try await RawClient.connect(to: server)
                #expect(try await next.get("/")?.text == "ok")
                next.stream.close()
            }
            try await sleep(for: .milliseconds(200))
            #expect(server.connectionCount == 0)
            tasks.value = []
        }
    }

    // MARK: Many at once

    /// Responses of many clients wait to be taken when all these clients reset their connections at the same moment.
    @Test(arguments: [20, 32, 64, 200])
    func manyBlockedClientsCanGoAwayAtOnce(clients: Int) throws {
        let body = [UInt8](repeating: 0x61, count: 16000)
        try withHTTPServer(handler: { _, _ in HTTPServerResponse(body: .bytes(body)) }) { server in
            var sockets: [Int32] = []
            for _ in 0..<clients {
                let client = try Plain(to: server, receiveBuffer: 4096)
                client.send(String(repeating: RawClient.get("/"), count: 400))
                sockets.append(client.descriptor)
            }
            try await sleep(for: .milliseconds(50))
            await turns(5)
            for socket in sockets { Plain.reset(socket) }
            // Within the write timeout: it is the resets that end them.
            for _ in 0..<200 where server.connectionCount > 0 { try await sleep(for: .milliseconds(10)) }
            #expect(server.connectionCount == 0)
            let next = try await RawClient.connect(to: server)
            #expect(try await next.get("/")?.body.count == 16000)
            next.stream.close()
        }
    }

    // MARK: Blocked output

    /// What is buffered is flushed by a task, and not at the end of a turn, while the event that the socket is writable is being
    /// worked on.
    @Test func aConnectionThatWasBlockedIsForgottenByItsSocket() throws {
        try runBoundedLoop {
            let blocked = Shared<ServerPeer?>(nil)
            let gate = AsyncSemaphore(value: 0)
            let piece = [UInt8](repeating: 0x61, count: 16000)
            let server = try Self.bind { request, body, context in
                switch request.path {
                case "/piece":
                    blocked.value = Self.peer(context)
                    return HTTPServerResponse(body: .bytes(piece))
                case "/wait":
                    try await gate.acquire()
                    return HTTPServerResponse(body: .bytes([UInt8](repeating: 0x62, count: 65500)))
                case "/signal":
                    _ = try await body.collect(upTo: 10)
                    gate.release()
                    return HTTPServerResponse(body: .text("signalled"))
                case "/huge":
                    return HTTPServerResponse(body: .bytes([UInt8](repeating: 0x63, count: 8 << 20)))
                default:
                    let path = request.path!
                    await turns(12)
                    return HTTPServerResponse(body: .text(path))
                }
            }
            let run = ServerRun(server)
            let a = try Plain(to: server, receiveBuffer: 4096)
            var isBlocked = false
            for _ in 0..<1000 where !isBlocked {
                a.send(RawClient.get("/piece"))
                await turns(2)
                isBlocked = blocked.value?.exchange?.takeUnretainedValue().isBlocked == true
            }
            #expect(isBlocked)
            let b = try Plain(to: server)
            b.send("POST /signal HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
            a.send(RawClient.get("/wait"))
            await turns(5)
            // Both in one turn: the socket becomes writable, and the handler goes on.
            _ = a.drain()
            b.send("x")
            await turns(5)
            let socket = blocked.value!
            #expect(socket.exchange == nil, "all is answered")
            #expect(socket.blockedConnection == nil, "the socket refers to an exchange that is not its own any more")
            if socket.blockedConnection != nil {
                let received = try await Self.provoke(server, a)
                #expect(received == (0..<10).map { "/\($0)" }, "each client gets its own answer")
            }
            a.close()
            b.close()
            run.cancel()
            _ = try? await run.result()
        }
    }

    /// What comes of it if the socket of `a` refers to a spare exchange.
    private static func provoke(_ server: HTTPServer, _ a: Plain) async throws -> [String] {
        await turns(5)
        _ = a.drain()
        // Others have the spare exchanges while a has another one, with a body that it does not take.
        var holders: [Plain] = []
        for _ in 0..<8 {
            let holder = try Plain(to: server)
            holder.send("GET /holder HT")
            holders.append(holder)
        }
        await turns(5)
        a.send(RawClient.get("/huge"))
        await turns(5)
        for holder in holders {
            holder.send("TP/1.1\r\nHost: a\r\n\r\n")
            await turns(5)
        }
        _ = a.drain()
        await turns(5)
        for holder in holders { _ = holder.drain() }
        var clients: [Plain] = []
        for number in 0..<10 {
            let client = try Plain(to: server)
            client.send(RawClient.get("/\(number)"))
            clients.append(client)
            await turns(1)
        }
        await turns(20)
        defer { for client in holders + clients { client.close() } }
        return clients.map { client in
            let text = String(decoding: client.drain(), as: UTF8.self)
            return text.split(separator: "\r\n\r\n").dropFirst().joined(separator: "|")
        }
    }

    /// A stream that was blocked once, and whose client has taken everything since, is not late.
    @Test func aClientThatHasCaughtUpIsNotCutOff() throws {
        var configuration = HTTPServer.Configuration()
        configuration.writeTimeout = .seconds(10)
        let isBlocked = Shared(false)
        try runBoundedLoop {
            let server = try Self.bind(configuration) { _, _, context in
                let peer = Self.peer(context)
                return HTTPServerResponse(
                    body: .stream { writer in
                        // In small pieces until the client takes no more: that is seen at the end of a turn.
                        while peer.exchange?.takeUnretainedValue().isBlocked != true {
                            try await writer.write([UInt8](repeating: 0x61, count: 8000))
                            await turns(2)
                        }
                        isBlocked.value = true
                        try await writer.flush()
                        // Everything is sent.
                        try await sleep(for: .seconds(60))
                        try await writer.write("the end")
                    }
                )
            }
            let run = ServerRun(server)
            let client = try await RawClient.connect(to: server)
            try await client.send(RawClient.get("/"))
            while !isBlocked.value { await turns(1) }
            let response = try await client.response()
            #expect(response?.text.hasSuffix("the end") == true)
            client.stream.close()
            server.beginGracefulShutdown()
            try await run.result()
        }
    }

    /// It sends a byte now and then, and takes nothing.
    @Test func aClientThatTakesNothingIsCutOffThoughItSends() throws {
        var configuration = HTTPServer.Configuration()
        configuration.writeTimeout = .seconds(10)
        let body = [UInt8](repeating: 0x61, count: 16000)
        try runBoundedLoop {
            let server = try Self.bind(configuration) { _, _, _ in HTTPServerResponse(body: .bytes(body)) }
            let run = ServerRun(server)
            let client = try Plain(to: server, receiveBuffer: 4096)
            client.send(String(repeating: RawClient.get("/"), count: 1000))
            let other = try await RawClient.connect(to: server)
            for _ in 0..<6 {
                try await sleep(for: .seconds(5))
                _ = try await other.get("/")
                client.send("G")
                await turns(3)
            }
            #expect(server.connectionCount == 1, "30 seconds after the client has taken the last byte")
            client.close()
            other.stream.close()
            run.cancel()
            _ = try? await run.result()
        }
    }

    // MARK: Deadlines

    /// Each head is complete within a fraction of the time. Only that the last byte of what arrives together is never the last one
    /// of a request.
    @Test func theClockOfAHeadBeginsWithItsFirstByte() throws {
        var configuration = HTTPServer.Configuration()
        configuration.headTimeout = .seconds(10)
        try withHTTPServer(configuration, handler: { _, _ in HTTPServerResponse(body: .text("ok")) }) { server in
            let client = try await RawClient.connect(to: server)
            let (first, second) = ("GET / HTTP/1.1\r\n", "Host: a\r\n\r\n")
            try await client.send(first)
            for number in 0..<10 {
                try await sleep(for: .seconds(3))
                try await client.send(second + first)
                let response = try await client.response()
                #expect(response?.status == 200, "request \(number)")
                guard response?.status == 200 else { break }
            }
            client.stream.close()
        }
    }

    /// The observer is told of an idle connection that is closed, and ends the server.
    @Test
    func anObserverMayEndTheServerWhenAnIdleConnectionIsClosed() throws {
        try runBoundedLoop {
            let box = Shared<HTTPServer?>(nil)
            var configuration = HTTPServer.Configuration()
            configuration.idleTimeout = .seconds(5)
            configuration.observer = { event in
                if case .connectionClosed = event.kind { box.value?.beginGracefulShutdown() }
            }
            let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { _, _ in
                HTTPServerResponse(body: .text("ok"))
            }
            box.value = server
            let run = ServerRun(server)
            let first = try await RawClient.connect(to: server)
            _ = try await first.get("/")
            try await sleep(for: .seconds(1))
            let second = try await RawClient.connect(to: server)
            _ = try await second.get("/")
            try await run.result(within: .seconds(60))
            box.value = nil
        }
    }

    /// Heads that are never completed time out, and at the same moment a client takes the answers that it has let wait.
    @Test
    func manyHeadsMayTimeOutWhileAnotherClientReads() throws {
        var loop = EventLoop.Configuration()
        let clock = ManualClock()
        loop.clock = .manual(clock)
        try EventLoop.run(configuration: loop) {
            var configuration = HTTPServer.Configuration()
            configuration.headTimeout = .seconds(10)
            let piece = [UInt8](repeating: 0x61, count: 16000)
            let blocked = Shared<ServerPeer?>(nil)
            let server = try Self.bind(configuration) { _, _, context in
                blocked.value = Self.peer(context)
                return HTTPServerResponse(body: .bytes(piece))
            }
            let run = ServerRun(server)
            let slow = try Plain(to: server, receiveBuffer: 4096)
            var isBlocked = false
            for _ in 0..<1000 where !isBlocked {
                slow.send(RawClient.get("/"))
                await turns(2)
                isBlocked = blocked.value?.exchange?.takeUnretainedValue().isBlocked == true
            }
            #expect(isBlocked)
            slow.send("GET / HT")
            await turns(3)
            var others: [Plain] = []
            for _ in 0..<40 {
                let other = try Plain(to: server)
                other.send("GET / HT")
                others.append(other)
            }
            await turns(3)
            #expect(server.connectionCount == 41)
            // Both in one turn.
            _ = slow.drain()
            clock.advance(by: .seconds(11))
            await turns(5)
            for other in others {
                #expect(String(decoding: other.drain(), as: UTF8.self).hasPrefix("HTTP/1.1 408"))
                other.close()
            }
            slow.close()
            await turns(5)
            #expect(server.connectionCount == 0)
            run.cancel()
            await turns(5)
        }
    }

    /// Nothing has happened for longer than a head may take. The time of the loop is that of its last turn while it polls.
    @Test func theFirstConnectionAfterAQuietTimeHasItsTime() throws {
        var loop = EventLoop.Configuration()
        let clock = ManualClock()
        loop.clock = .manual(clock)
        try EventLoop.run(configuration: loop) {
            let server = try Self.bind { _, _, _ in HTTPServerResponse(body: .text("ok")) }
            let run = ServerRun(server)
            await turns(5)
            clock.advance(by: .seconds(100))
            let client = try Plain(to: server)
            await turns(5)
            #expect(server.connectionCount == 1)
            client.send(RawClient.get("/"))
            await turns(5)
            #expect(String(decoding: client.drain(), as: UTF8.self).hasSuffix("ok"))
            client.close()
            run.cancel()
            await turns(5)
        }
    }

    /// The last output before was flushed long ago.
    @Test func aBurstOfRequestsAfterAQuietTimeIsAnswered() throws {
        let piece = [UInt8](repeating: 0x61, count: 16000)
        try withHTTPServer(handler: { _, _ in HTTPServerResponse(body: .bytes(piece)) }) { server in
            let first = try await RawClient.connect(to: server)
            _ = try await first.get("/")
            first.stream.close()
            try await sleep(for: .seconds(1000))
            let client = try await RawClient.connect(to: server)
            try await client.send(String(repeating: RawClient.get("/"), count: 1000))
            // The client is busy for a moment.
            await turns(5)
            for number in 0..<1000 {
                let response = try? await client.response()
                #expect(response?.body.count == 16000, "response \(number)")
                if response == nil { break }
            }
            client.stream.close()
        }
    }

    // MARK: Handlers

    /// It cancels the task in which it runs.
    @Test func aHandlerThatCancelsItselfCancelsNoOther() throws {
        var configuration = HTTPServer.Configuration()
        configuration.onError = { _, _ in }
        try withHTTPServer(
            configuration,
            handler: { request, body in
                if request.path == "/cancel" { withUnsafeCurrentTask { $0?.cancel() } }
                let isCancelled = Task.isCancelled
                _ = try? await body.collect(upTo: 100)
                return HTTPServerResponse(body: .text("\(request.path!) \(isCancelled)"))
            }
        ) { server in
            let clients = try [Plain(to: server), Plain(to: server), Plain(to: server)]
            try await sleep(for: .milliseconds(10))
            clients[0].send(RawClient.get("/cancel"))
            clients[1].send(RawClient.post("/one", body: "x"))
            clients[2].send(RawClient.post("/two", body: "x"))
            try await sleep(for: .milliseconds(10))
            let texts = clients.map { String(decoding: $0.drain(), as: UTF8.self) }
            #expect(texts[1].hasSuffix("/one false"), "\(texts[1])")
            #expect(texts[2].hasSuffix("/two false"), "\(texts[2])")
            for client in clients { client.close() }
        }
    }

    // MARK: Counting

    @Test(arguments: ["", "Connection: close\r\n"])
    func allBytesAreCounted(fields: String) throws {
        try withHTTPServer(handler: { _, _ in HTTPServerResponse(body: .text("ok")) }) { server in
            let client = try await RawClient.connect(to: server)
            let request = RawClient.get("/", fields)
            try await client.send(request)
            let response = try await client.response()
            client.stream.close()
            try await sleep(for: .milliseconds(100))
            #expect(server.connectionCount == 0)
            #expect(server.metrics.bytesReceived == request.utf8.count)
            #expect(server.metrics.bytesSent == response!.head.utf8.count + 4 + 2)
        }
    }

    /// A request is started once, and then ends or is cut once; an error of its handler comes before.
    @Test func aFailedRequestEndsOnce() throws {
        var configuration = HTTPServer.Configuration()
        configuration.onError = { _, _ in }
        let kinds = Shared<[String]>([])
        configuration.observer = { event in
            switch event.kind {
            case .requestStarted: kinds.value.append("started")
            case .responseHeadSent: kinds.value.append("head")
            case .requestEnded: kinds.value.append("ended")
            case .requestFailed: kinds.value.append("failed")
            default: break
            }
        }
        try withHTTPServer(
            configuration,
            handler: { request, _ in
                if request.path == "/throw" { throw Cut() }
                return HTTPServerResponse(body: .text("ok"))
            }
        ) { server in
            let client = try await RawClient.connect(to: server)
            _ = try await client.get("/throw")
            _ = try await client.get("/")
            client.stream.close()
            let metrics = server.metrics
            #expect(metrics.requestsStarted == metrics.requestsEnded + metrics.requestsCut)
            #expect(metrics.requestsFailed == 1)
        }
        #expect(kinds.value == ["started", "failed", "head", "ended", "started", "head", "ended"])
    }

    // MARK: The end

    @Test func cancellingTheServerWhileItShutsDownIsReported() throws {
        try runBoundedLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in
                try await sleep(for: .seconds(1000))
                return HTTPServerResponse()
            }
            let run = ServerRun(server)
            let client = try await RawClient.connect(to: server)
            try await client.send(RawClient.get("/"))
            try await sleep(for: .seconds(1))
            server.beginGracefulShutdown()
            try await sleep(for: .seconds(1))
            run.cancel()
            await #expect(throws: CancellationError.self) { try await run.result() }
            #expect(server.connectionCount == 0)
        }
    }

    /// The last reference goes after the loop, on another thread's account.
    @Test func aServerThatOutlivesItsLoopClosesItsListener() throws {
        let before = descriptors()
        for _ in 0..<5 {
            let box = Shared<HTTPServer?>(nil)
            try runHTTPLoop {
                box.value = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in HTTPServerResponse() }
            }
            box.value = nil
        }
        #expect(descriptors() <= before + 2, "a listener and a loop each are left")
    }
}

/// Lets so many turns of the loop go by.
func turns(_ count: UInt64) async {
    let end = EventLoop.current.statistics.turns + count
    while EventLoop.current.statistics.turns < end { await Task.yield() }
}

func descriptors() -> Int {
    var count = 0
    guard let directory = opendir("/proc/self/fd") else { return -1 }
    while readdir(directory) != nil { count += 1 }
    closedir(directory)
    return count
}

/// A client without a loop: it blocks as it connects, and then never.
final class Plain: @unchecked Sendable {
    struct Failure: Error {}

    let descriptor: Int32

    init(to server: HTTPServer, receiveBuffer: Int32 = 0) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var isOn: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &isOn, 4)
        if receiveBuffer > 0 {
            var size = receiveBuffer
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, 4)
        }
        guard server.localAddress.withSockaddr({ connect(descriptor, $0, $1) }) == 0 else { throw Failure() }
    }

    @discardableResult
    func send(_ text: String) -> Int {
        let bytes = Array(text.utf8)
        return Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    }

    /// What ended the last call of ``drain()``: an `errno`, or 0 for the end of the stream.
    private(set) var failure: Int32 = 0

    /// All that has arrived.
    func drain() -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 262_144)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count > 0 else {
                failure = count < 0 ? errno : 0
                return all
            }
            all += buffer[..<count]
        }
    }

    func close() { _ = Glibc.close(descriptor) }

    /// Closes a connection so that the other side sees a reset.
    static func reset(_ descriptor: Int32) {
        var value = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
        _ = Glibc.close(descriptor)
    }
}

@Suite(.timeLimit(.minutes(5)), .enabled(if: TLSFixtures.isAvailable, "the openssl command is not installed"))
struct ServerPeerTLSTests {
    private let files = TLSFixtures.shared

    /// Spare exchanges hold no connection that has ended.
    @Test func aClosedConnectionIsFreedThoughItsExchangeIsSpare() throws {
        let peer = Shared<WeakPeer>(WeakPeer())
        var configuration = HTTPServer.Configuration()
        configuration.tls = files.server()
        configuration.idleTimeout = .seconds(5)
        try runBoundedLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { _, _, context in
                peer.value.peer = Mirror(reflecting: context).descendant("peer") as? ServerPeer
                return HTTPServerResponse(body: .text("ok"))
            }
            let run = ServerRun(server)
            var settings = HTTPClient.Configuration()
            settings.tls = files.client
            let client = HTTPClient(configuration: settings)
            _ = try await client.get(HTTPURL("https://\(server.localAddress)/")!)
            try await sleep(for: .seconds(10))
            await client.shutdown()
            #expect(server.connectionCount == 0)
            #expect(peer.value.peer == nil, "a spare exchange keeps the TLS connection, and that its socket")
            server.beginGracefulShutdown()
            try await run.result()
        }
    }
}

private struct WeakPeer { weak var peer: ServerPeer? }
