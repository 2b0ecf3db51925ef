// The code of docs/guides/upgrade.md: `swift run doc-upgrade`.
import Leat

@main struct Upgrade: LoopProgram {
    func run() async throws {
        let backend = try TCPListener.bind(to: .loopback(port: 0))
        Task {
            for try await stream in backend.connections { try await stream.write("from behind") }
        }
        let server = try gateway(to: backend.localAddress)
        let serving = Task { try await server.run() }
        let client = HTTPClient()
        try await shout(client, "\(server.localAddress)")
        try await refused(client, "\(server.localAddress)")
        try await through(client, "\(server.localAddress)")
        server.beginGracefulShutdown()
        _ = try await serving.value
        backend.close()
    }
}

func gateway(to backend: SocketAddress) throws -> HTTPServer {
    try HTTPServer.bind(to: .loopback(port: 0)) { request, _ in
        switch request.uri.path {
        case "/shout":
            return .upgrade(to: "shout") { stream in
                while let bytes = try await stream.read() {
                    try await stream.write(String(decoding: bytes, as: UTF8.self).uppercased())
                }
            }
        case "/backend":
            let other = try await TCPStream.connect(to: backend)
            return .upgrade(to: "tcp") { stream in
                defer { other.close() }
                try await relay(stream, other)
            }
        default:
            return HTTPServerResponse(status: .notFound)
        }
    }
}

func shout(_ client: HTTPClient, _ authority: String) async throws {
    let request = HTTPClientRequest(.get, HTTPURL("http://\(authority)/shout")!)
    try await client.upgrade(request, to: "shout") { response, stream in
        try await stream.write("hello")
        print(response.status, String(decoding: try await stream.read() ?? [], as: UTF8.self))
    }
}

func refused(_ client: HTTPClient, _ authority: String) async throws {
    let request = HTTPClientRequest(.get, HTTPURL("http://\(authority)/shout")!)
    do {
        try await client.upgrade(request, to: "whisper") { _, _ in }
    } catch let refusal as HTTPUpgradeRefused {
        print(refusal.response.status, refusal.response.headerFields[.upgrade] ?? "")
    }
}

/// Passes bytes on, both ways at once, until both sides have ended.
func relay(_ stream: HTTPUpgradedStream, _ other: TCPStream) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            while let bytes = try await stream.read() { try await other.write(bytes) }
            other.finishWriting()
        }
        group.addTask {
            while let bytes = try await other.read() { try await stream.write(bytes) }
            try await stream.finishWriting()
        }
        try await group.waitForAll()
    }
}

func through(_ client: HTTPClient, _ authority: String) async throws {
    let request = HTTPClientRequest(.get, HTTPURL("http://\(authority)/backend")!)
    try await client.upgrade(request, to: "tcp") { _, stream in
        try await stream.finishWriting()
        while let bytes = try await stream.read() { print(String(decoding: bytes, as: UTF8.self)) }
    }
}

func chat(_ client: HTTPClient, _ authority: String, key: String, accept: String) async throws {
    let request = HTTPClientRequest(
        .get,
        HTTPURL("https://\(authority)/chat")!,
        headerFields: [.secWebSocketKey: key, .secWebSocketVersion: "13"]
    )
    try await client.upgrade(request, to: "websocket") { response, stream in
        guard response.headerFields[.secWebSocketAccept] == accept else { return }
        // A ping, masked with zeros (RFC 6455 §5.2).
        try await stream.write([0x89, 0x80, 0, 0, 0, 0])
        print(try await stream.read() ?? [])
    }
}
