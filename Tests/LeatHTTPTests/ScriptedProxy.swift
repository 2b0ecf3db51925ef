import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor

/// A proxy for tunnels that answers each `CONNECT` with what it is told to, and if that is a success relays to one address,
/// whatever was asked for.
final class ScriptedProxy: @unchecked Sendable {
    let listener: TCPListener
    /// The heads of the requests.
    private(set) var requests: [String] = []

    /// - Parameter answers: For each connection; an empty one closes it, and nil never answers.
    init(_ answers: [String?], to address: SocketAddress) throws {
        listener = try TCPListener.bind(to: .loopback(port: 0))
        onLoop {
            for answer in answers {
                let stream = try await self.listener.accept()
                onLoop { try await self.serve(stream, answer, address) }
            }
        }
    }

    var proxy: HTTPProxy { HTTPProxy(stringLiteral: "http://\(listener.localAddress)") }

    private func serve(_ stream: TCPStream, _ answer: String?, _ address: SocketAddress) async throws {
        defer { stream.close() }
        var head = ""
        while !head.hasSuffix("\r\n\r\n") {
            guard let bytes = try await stream.read() else { return }
            head += String(decoding: bytes, as: UTF8.self)
        }
        requests.append(head)
        guard let answer else { return try await sleep(for: .seconds(3600)) }
        try await stream.write(answer)
        guard answer.hasPrefix("HTTP/1.1 2") else { return }
        let origin = try await TCPStream.connect(to: address)
        defer { origin.close() }
        let upwards = onLoop { try await Self.relay(stream, origin) }
        try await Self.relay(origin, stream)
        upwards.cancel()
    }

    private static func relay(_ source: TCPStream, _ sink: TCPStream) async throws {
        while let bytes = try await source.read() { try await sink.write(bytes) }
        sink.finishWriting()
    }
}

let established = "HTTP/1.1 200 Connection established\r\n\r\n"
