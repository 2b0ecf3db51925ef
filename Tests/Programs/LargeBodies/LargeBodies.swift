// Sends a body of so many MiB as its argument says to a server in the same process, and receives one, both announced and
// chunked, collecting nothing. Exits with 0 if every octet was the right one and memory did not grow by more than 16 MiB.
// With `promises` instead: see Promises.swift.
import Glibc
import Leat

/// The most memory that this process has had, in bytes (proc(5)): resident, or reserved (`VmPeak`).
func peakMemory(_ field: String = "VmHWM") -> Int {
    guard let file = fopen("/proc/self/status", "r") else { return .max }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, 256, file) != nil {
        var kilobytes = 0
        if withVaList([withUnsafeMutablePointer(to: &kilobytes) { $0 }], { vsscanf(line, "\(field): %ld", $0) }) == 1 {
            return kilobytes << 10
        }
    }
    return .max
}

/// 65521 is a prime: no buffer begins where a repetition does.
let pattern = (0..<65521).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

/// The pattern over and over, `count` octets of it.
func patterned(_ count: Int, isAnnounced: Bool) -> HTTPBody {
    .stream(length: isAnnounced ? count : nil) { writer in
        var rest = count
        while rest > 0 {
            try await writer.write(rest < pattern.count ? Array(pattern[..<rest]) : pattern)
            rest -= min(rest, pattern.count)
        }
    }
}

/// How many octets there were until the first that does not belong there.
func check(_ body: HTTPBodyReader) async throws -> Int {
    var count = 0
    for try await piece in body {
        var offset = 0
        while offset < piece.count {
            let start = (count + offset) % pattern.count
            let length = min(piece.count - offset, pattern.count - start)
            let isSame = piece.withUnsafeBytes { piece in
                pattern.withUnsafeBytes { memcmp(piece.baseAddress! + offset, $0.baseAddress! + start, length) == 0 }
            }
            guard isSame else { return count + offset }
            offset += length
        }
        count += piece.count
    }
    return count
}

@main struct LargeBodies: LoopProgram {
    func run() async throws {
        if CommandLine.arguments.last == "promises" { try await keepPromises() }
        let size = (CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 4096) << 20
        var configuration = HTTPServer.Configuration()
        configuration.maximumRequestBody = .max
        let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { request, body in
            if request.method == .get {
                return HTTPServerResponse(body: patterned(size, isAnnounced: request.path == "/announced"))
            }
            return HTTPServerResponse(body: .text("\(try await check(body))"))
        }
        let serving = Task { try await server.run() }
        let client = HTTPClient()
        let before = peakMemory()
        var isRight = true
        for isAnnounced in [true, false] {
            let url = HTTPURL("http://\(server.localAddress)/\(isAnnounced ? "announced" : "chunked")")!
            let response = try await client.post(url, body: patterned(size, isAnnounced: isAnnounced))
            let request = HTTPClientRequest(.get, url)
            let received = try await client.perform(request) { try await check($1) }
            isRight = isRight && response.text == "\(size)" && received == size
        }
        let growth = (peakMemory() - before) >> 20
        print("\(size >> 20) MiB \(isRight ? "as they were" : "damaged"), memory grew by \(growth) MiB")
        await client.shutdown()
        server.beginGracefulShutdown()
        _ = try await serving.value
        exit(isRight && growth < 16 ? 0 : 1)
    }
}
