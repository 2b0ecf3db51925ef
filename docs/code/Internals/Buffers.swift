import CLinux
import Glibc
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor

/// Chapter "Buffers and copies": where the bytes of four requests lie when the parser finds them.
func buffers() throws {
    try EventLoop.run {
        let loop = EventLoop.current
        let (near, far) = socketPair()
        let socket = try Socket(descriptor: near, loop: loop, isReady: true)
        let http = HTTPConnection(socket: socket, role: .request, limits: HTTPLimits())
        let (a, b, d) = (post("/a", 5), post("/b", 5), post("/d", 100_000))

        send(a + b + "GET /c HT", to: far, "all of /a, all of /b, half a line of /c")
        try await receive(http)
        send("TP/1.1\r\nHost: x\r\n\r\n", to: far, "the rest of /c")
        try await receive(http)
        send(d, to: far, "all of /d")
        try await receive(http)
        try await receive(http)
        http.close()
        close(far)
    }
}

private func post(_ path: String, _ length: Int) -> String {
    let body = String(repeating: "b", count: length)
    return "POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(length)\r\n\r\n\(body)"
}

private func send(_ text: String, to descriptor: Int32, _ name: String) {
    let sent = text.utf8.withContiguousStorageIfAvailable { write(descriptor, $0.baseAddress!, $0.count) }
    print("peer sends \(sent == text.utf8.count ? name : "a part of \(name)"), \(text.utf8.count) bytes")
}

/// Another connection, which wants to receive and has nothing to keep.
private final class OtherConnection: BufferedConnection {
    override func leaveScratch() {}
}

/// One read, and everything in it.
private func receive(_ http: HTTPConnection) async throws {
    let other = OtherConnection(loop: http.loop)
    let scratch = UnsafeRawBufferPointer(other.buffers.scratch(for: other))
    func place(_ bytes: UnsafeRawBufferPointer) -> String {
        let offset = bytes.baseAddress! - scratch.baseAddress!
        return scratch.indices.contains(offset) ? "in the scratch buffer" : "in the connection's own buffer"
    }
    let before = http.bytesReceived
    _ = try await http.fill()
    print("recv: \(http.bytesReceived - before) bytes, into the scratch buffer")
    while let event = try http.tryNext() {
        switch event {
        case .head:
            let request = http.parser.takeRequestHead().request
            print("  head of \(request.uri.path): its fields are copied, \(request.headerFields.byteCount) bytes")
        case .body(let bytes):
            print("  body, \(bytes.count) bytes, \(place(bytes))")
        case .end:
            guard http.hasUnparsedBytes else { continue }
            print("  end. While its handler waits, another connection reads: the rest moves out of the way")
            _ = other.buffers.scratch(for: other)
        }
    }
    print("  needs more\(http.hasUnparsedBytes ? ", and keeps an incomplete line" : ", and keeps nothing")")
}

// MARK: - System calls

/// How many calls the server makes for requests that come one by one, and for as many that come at once.
func buffersCalls() throws {
    try EventLoop.run {
        let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in HTTPServerResponse(body: .text("#")) }
        async let served = server.run()
        let peer = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        _ = server.localAddress.withSockaddr { connect(peer, $0, $1) }
        for size in [1, 16] {
            // The first exchange includes a read that comes too early.
            try await exchange(1, on: peer)
            let before = SystemCalls.counts
            for _ in 0..<16 / size { try await exchange(size, on: peer) }
            let after = SystemCalls.counts
            print(
                "16 requests, \(size) at a time: \(after.receive - before.receive) recv,",
                "\(after.send - before.send) send"
            )
        }
        close(peer)
        server.beginGracefulShutdown()
        _ = try await served
    }
}

/// Sends some requests at once, by calls that are not counted, and waits for all the responses.
private func exchange(_ count: Int, on peer: Int32) async throws {
    let requests = String(repeating: "GET / HTTP/1.1\r\nHost: x\r\n\r\n", count: count)
    _ = requests.utf8.withContiguousStorageIfAvailable { write(peer, $0.baseAddress!, $0.count) }
    var rest = count
    var buffer = [UInt8](repeating: 0, count: 65536)
    while rest > 0 {
        try await sleep(for: .milliseconds(1))
        let received = recv(peer, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        rest -= buffer.prefix(max(received, 0)).count { $0 == UInt8(ascii: "#") }
    }
}

// MARK: - Back-pressure

/// A server that writes a gibibyte, and a client that reads one piece of it.
func buffersPressure() throws {
    try EventLoop.run {
        let loop = EventLoop.current
        let size = 1 << 30
        let written = Counter()
        let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in
            HTTPServerResponse(
                body: .stream(length: size) { writer in
                    let piece = [UInt8](repeating: 0, count: 65536)
                    while written.value < size {
                        try await writer.write(piece)
                        written.value += piece.count
                    }
                }
            )
        }
        async let served = server.run()
        let client = HTTPClient()
        let authority = "127.0.0.1:\(server.localAddress.port)"
        let request = HTTPClientRequest(.get, HTTPURL("http://\(authority)/")!)
        try await client.perform(request) { _, body in
            _ = try await body.read()
            print("the client has read one piece, and reads no more")
            while !loop.currentWaits().contains(where: { if case .write = $0.reason { true } else { false } }) {
                try await sleep(for: .milliseconds(1))
            }
            print("the server waits to write; sent: less than 1/32 of the body: \(written.value < size / 32)")
        }
        server.beginGracefulShutdown()
        _ = try await served
    }
}

/// Confined to the loop of the chapter.
private final class Counter: @unchecked Sendable {
    var value = 0
}
