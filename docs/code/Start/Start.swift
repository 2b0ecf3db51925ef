// The code of docs/start.md: `swift run doc-start`.
import Leat

@main struct Start: LoopProgram {
    func run() async throws {
        let server = try greeter()
        let serving = Task { try await server.run() }
        let address = "\(server.localAddress)"
        try await oneRequest(address)
        try await many(address)
        try await bounded(address)
        try await post(address)
        try await stream(address)
        try await sideBySide()
        await patience()
        let client = HTTPClient()
        let base = HTTPURL("http://\(address)/base/")!
        print(try await item(client, base))
        await whatWentWrong(client, base)
        try await inBulk(client, base)
        try await offTheLoop()
        try await echo()
        server.beginGracefulShutdown()
        _ = try await serving.value
    }
}

func greeter() throws -> HTTPServer {
    let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, body in
        switch (request.method, request.uri.path) {
        case (.post, "/count"):
            var count = 0
            for try await piece in body { count += piece.count }
            return HTTPServerResponse(body: .text("\(count) bytes\n"))
        case (.get, _):
            return HTTPServerResponse(body: .text("hello from \(request.uri.path)\n"))
        default:
            return HTTPServerResponse(status: .methodNotAllowed)
        }
    }
    return server
}

func oneRequest(_ address: String) async throws {
    let client = HTTPClient()
    let response = try await client.get(HTTPURL("http://\(address)/world")!)
    print(response.status, response.headerFields[.contentLength] ?? "", response.text)
}

func many(_ address: String) async throws {
    let client = HTTPClient()
    let urls = (0..<200).compactMap { HTTPURL("http://\(address)/\($0)") }
    let texts = try await urls.concurrentMap(limit: 50) { try await client.get($0).text }
    print(texts.count, "answers, the last:", texts[199])
}

func bounded(_ address: String) async throws {
    let client = HTTPClient()
    let permits = AsyncSemaphore(value: 10)
    let url = HTTPURL("http://\(address)/")!
    try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<100 {
            group.addTask {
                try await permits.withPermit {
                    _ = try await withTimeout(.seconds(5)) { try await client.get(url) }
                }
            }
        }
        try await group.waitForAll()
    }
}

func post(_ address: String) async throws {
    let client = HTTPClient()
    let body = HTTPBody.stream { writer in
        for _ in 0..<1000 { try await writer.write([UInt8](repeating: 0x2E, count: 4096)) }
    }
    let response = try await client.post(HTTPURL("http://\(address)/count")!, body: body)
    print("the server counted", response.text)
}

func stream(_ address: String) async throws {
    let client = HTTPClient()
    let request = HTTPClientRequest(.get, HTTPURL("http://\(address)/big")!)
    let size = try await client.perform(request) { response, body in
        var size = 0
        for try await piece in body { size += piece.count }
        return size
    }
    print(size, "bytes streamed")
}

func sideBySide() async throws {
    let sums = try await gather(
        { (1...10).reduce(0, +) },
        {
            try await Task.sleep(for: .milliseconds(10))
            return 42
        }
    )
    print("gathered", sums)
}

func patience() async {
    do {
        try await withTimeout(.milliseconds(20)) { try await sleep(for: .seconds(60)) }
    } catch {
        print("gave up:", error)
    }
}

func offTheLoop() async throws {
    let loop = EventLoop.current
    let sum = try await loop.offload { (0..<1_000_000).reduce(0, +) }
    print("a thread beside the loop computed", sum)
}

func echo() async throws {
    let listener = try TCPListener.bind(to: .loopback(port: 0))
    Task {
        for try await stream in listener.connections {
            Task {
                while let bytes = try await stream.read() { try await stream.write(bytes) }
            }
        }
    }
    let stream = try await TCPStream.connect(to: listener.localAddress)
    try await stream.write("over and out")
    print("echo:", String(decoding: try await stream.read() ?? [], as: UTF8.self))
    stream.close()
    listener.close()
}
