import Glibc
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor

/// A response as it stood on the wire, its chunks joined.
struct RawResponse: Sendable {
    var status: Int
    /// The status line and the fields, without the empty line.
    var head: String
    var body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }
    /// Whether the server says that it is the last one on its connection.
    var closes: Bool { field("connection")?.lowercased() == "close" }

    func field(_ name: String) -> String? {
        for line in head.split(separator: "\r\n").dropFirst() {
            guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == name else { continue }
            return String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return nil
    }
}

/// A client that sends the bytes it is told to, and takes the responses apart without the library's parser.
///
/// It reads only when a response is asked for.
final class RawClient: @unchecked Sendable {
    /// The connection ended in the middle of a response, with what there was of it.
    struct CutShort: Error { let received: String }

    let stream: TCPStream
    private var received: [UInt8] = []
    private var start = 0

    init(_ stream: TCPStream) { self.stream = stream }

    static func connect(to server: HTTPServer) async throws -> RawClient {
        RawClient(try await TCPStream.connect(to: server.localAddress))
    }

    /// A request without a body.
    static func get(_ path: String, _ fields: String = "") -> String {
        "GET \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
    }

    /// A request with a body.
    static func post(_ path: String, _ fields: String = "", body: String) -> String {
        "POST \(path) HTTP/1.1\r\nHost: a\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    func send(_ text: String) async throws { try await stream.write(text) }

    /// Sends a request without a body, and returns its response.
    func get(_ path: String, _ fields: String = "") async throws -> RawResponse? {
        try await send(Self.get(path, fields))
        return try await response()
    }

    /// The next response; nil if the connection ends before it. Throws `CutShort` if it ends within, and `TimeoutError`.
    func response(toHead: Bool = false, within patience: Duration = .seconds(200)) async throws -> RawResponse? {
        try await withTimeout(patience) {
            guard var response = try await self.nextHead() else { return nil }
            if toHead || response.status == 204 || response.status == 304 { return response }
            if let length = response.field("content-length") {
                response.body = try await self.take(Int(length)!)
            } else if response.field("transfer-encoding") == "chunked" {
                while true {
                    let size = Int(try await self.nextLine(), radix: 16)!
                    response.body += try await self.take(size)
                    _ = try await self.nextLine()
                    if size == 0 { break }
                }
            }
            return response
        }
    }

    /// The head of the next response, as soon as it is there; nil if the connection ends before it.
    func head(within patience: Duration = .seconds(200)) async throws -> RawResponse? {
        try await withTimeout(patience) { try await self.nextHead() }
    }

    /// The next bytes as they arrive, also those behind a head; nil at the end.
    func piece(within patience: Duration = .seconds(200)) async throws -> String? {
        try await withTimeout(patience) {
            if self.start == self.received.count, try await !self.receive() { return nil }
            defer { self.start = self.received.count }
            return String(decoding: self.received[self.start...], as: UTF8.self)
        }
    }

    /// Reads on until the connection ends, in whatever way. Throws `TimeoutError` if it does not.
    func end(within patience: Duration = .seconds(200)) async throws {
        do {
            while try await piece(within: patience) != nil {}
        } catch let error as NetworkError where error.kind == .reset {}
    }

    private func nextHead() async throws -> RawResponse? {
        if start == received.count, try await !receive() { return nil }
        var lines = [try await nextLine()]
        while true {
            let line = try await nextLine()
            if line.isEmpty { break }
            lines.append(line)
        }
        guard let status = Int(lines[0].dropFirst(9).prefix(3)) else { throw CutShort(received: lines[0]) }
        return RawResponse(status: status, head: lines.joined(separator: "\r\n"), body: [])
    }

    private func nextLine() async throws -> String {
        var scanned = start
        while true {
            if let end = received[scanned...].firstIndex(of: 10) {
                defer { start = end + 1 }
                return String(decoding: received[start..<max(start, end - 1)], as: UTF8.self)
            }
            let pending = received.count - start
            guard try await receive() else { throw cutShort }
            scanned = start + pending
        }
    }

    private func take(_ count: Int) async throws -> [UInt8] {
        while received.count - start < count {
            guard try await receive() else { throw cutShort }
        }
        defer { start += count }
        return Array(received[start..<start + count])
    }

    private var cutShort: CutShort {
        CutShort(received: String(decoding: received[start...].prefix(200), as: UTF8.self))
    }

    private func receive() async throws -> Bool {
        guard let bytes = try await stream.read(upTo: 262_144) else { return false }
        received.removeSubrange(..<start)
        start = 0
        received += bytes
        return true
    }
}

/// A client whose connection is made, and whose request is sent, without a turn of the loop.
struct BlockingClient {
    struct Failure: Error { let code = errno }

    private let descriptor: Int32

    init(to server: HTTPServer) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard server.localAddress.withSockaddr({ connect(descriptor, $0, $1) }) == 0 else { throw Failure() }
    }

    func send(_ text: String) throws {
        let bytes = Array(text.utf8)
        guard Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { throw Failure() }
    }

    /// All that comes until the connection ends, or for ten seconds of the loop. Throws `Failure` if it is reset.
    func receiveAll() async throws -> String {
        let clock = EventLoop.current.clock
        let deadline = clock.now.advanced(by: .seconds(10))
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while clock.now < deadline {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count == 0 { break }
            if count > 0 {
                received += buffer[..<count]
            } else if errno == EAGAIN {
                try await sleep(for: .milliseconds(1))
            } else {
                throw Failure()
            }
        }
        return String(decoding: received, as: UTF8.self)
    }

    func close() { _ = Glibc.close(descriptor) }
}
