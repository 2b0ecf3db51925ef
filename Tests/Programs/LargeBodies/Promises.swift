import Glibc
import Leat

/// 200 clients announce a body of a GiB each to a server that would collect it, and send one octet. Exits with 0 if that made the
/// process reserve no more than 256 MiB.
func keepPromises() async throws -> Never {
    var configuration = HTTPServer.Configuration()
    configuration.maximumRequestBody = .max
    let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { _, body in
        HTTPServerResponse(body: .text("\(try await body.collect(upTo: .max).count)"))
    }
    Task { try await server.run() }
    let before = peakMemory("VmPeak")
    var streams: [TCPStream] = []
    for _ in 0..<200 {
        let stream = try await TCPStream.connect(to: server.localAddress)
        try await stream.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(1 << 30)\r\n\r\nx")
        streams.append(stream)
    }
    // Each is read from, and waited for.
    let loop = EventLoop.current
    while loop.currentWaits().count(where: { if case .read = $0.reason { true } else { false } }) < streams.count {
        try await sleep(for: .milliseconds(1))
    }
    let growth = (peakMemory("VmPeak") - before) >> 20
    print("\(streams.count) GiB promised, \(growth) MiB reserved")
    exit(growth < 256 ? 0 : 1)
}
