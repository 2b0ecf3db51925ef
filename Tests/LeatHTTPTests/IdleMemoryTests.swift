import Glibc
import Leat
import LeatNet
import Testing

/// What an idle connection keeps of what it carried: nothing. In processes of their own, since all memory is looked at.
@Suite(.timeLimit(.minutes(5)))
struct IdleMemoryTests {
    private static let connections = 60
    private static let size = 1 << 20

    /// Resident memory of the process, in bytes.
    private static func resident() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
        let fields = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).split(
            separator: " "
        )
        return Int(fields[1])! * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Traps if the body leaves a quarter of what it moves with its connections behind. It runs once before, to warm up.
    private static func expectNothingKept(_ body: () async throws -> Void) async throws {
        try await body()
        let before = resident()
        for _ in 1..<connections { try await body() }
        let kept = (resident() - before) / connections
        precondition(kept < size / 4, "each connection keeps \(kept) bytes")
    }

    @Test func aConnectionThatHasSentALargeChunkKeepsNothing() async {
        await #expect(processExitsWith: .success) {
            try runHTTPLoop {
                let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in
                    HTTPServerResponse(body: .stream { try await $0.write([UInt8](repeating: 1, count: Self.size)) })
                }
                onLoop { try await server.run() }
                var clients: [TCPStream] = []
                try await Self.expectNothingKept {
                    let client = try await TCPStream.connect(to: server.localAddress)
                    try await client.write(RawClient.get("/"))
                    var (received, end) = (0, [UInt8]())
                    while end != Array("0\r\n\r\n".utf8), let piece = try await client.read() {
                        received += piece.count
                        end = Array((end + piece).suffix(5))
                    }
                    precondition(received > Self.size)
                    clients.append(client)
                }
                precondition(server.metrics.connectionsIdle == Self.connections)
            }
        }
    }

    @Test func aConnectionThatHasReceivedALargeUploadKeepsNothing() async {
        await #expect(processExitsWith: .success) {
            try runHTTPLoop {
                let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, body in
                    HTTPServerResponse(body: .text("\(try await body.collect(upTo: 2 * Self.size).count)"))
                }
                onLoop { try await server.run() }
                var clients: [RawClient] = []
                let upload = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(Self.size)\r\n\r\n"
                try await Self.expectNothingKept {
                    let client = try await RawClient.connect(to: server)
                    try await client.send(upload + String(repeating: "x", count: Self.size))
                    let response = try await client.response()
                    precondition(response?.text == "\(Self.size)")
                    clients.append(client)
                }
                precondition(server.metrics.connectionsIdle == Self.connections)
            }
        }
    }

    @Test func aClientsConnectionThatHasSentALargeChunkKeepsNothing() async {
        await #expect(processExitsWith: .success) {
            try runHTTPLoop {
                let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, body in
                    while try await body.read() != nil {}
                    return HTTPServerResponse()
                }
                onLoop { try await server.run() }
                // A client each, for each is to have one connection.
                var clients: [HTTPClient] = []
                try await Self.expectNothingKept {
                    let client = HTTPClient()
                    let piece = [UInt8](repeating: 1, count: Self.size)
                    let body = HTTPBody.stream { try await $0.write(piece) }
                    let response = try await client.post("http://\(server.localAddress)/", body: body)
                    precondition(response.status == .ok && client.metrics.connectionsIdle == 1)
                    clients.append(client)
                }
            }
        }
    }
}
