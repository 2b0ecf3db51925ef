import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@Suite(.timeLimit(.minutes(5)))
struct EarlyResponseTests {
    private static let large = [UInt8](repeating: 7, count: 64 << 20)

    private static var bodies: [HTTPBody] {
        [
            .bytes(large),
            .stream { writer in
                for _ in 0..<1024 { try await writer.write([UInt8](repeating: 7, count: 65536)) }
            },
            .stream(length: large.count) { writer in
                for _ in 0..<64 { try await writer.write([UInt8](repeating: 7, count: 1 << 20)) }
            },
        ]
    }

    /// A server that answers as soon as it has a head, reads nothing more, and keeps the connection open.
    private func hastyServer(_ answer: String) throws -> (TCPListener, HTTPURL) {
        let listener = try TCPListener.bind(to: .loopback(port: 0))
        onLoop {
            var kept: [TCPStream] = []
            for try await stream in listener.connections {
                _ = try await stream.read(upTo: 200)
                try await stream.write(answer)
                kept.append(stream)
            }
        }
        return (listener, HTTPURL("http://\(listener.localAddress)/")!)
    }

    @Test(arguments: 0..<3)
    func aResponseThatComesEarlyEndsTheSending(form: Int) throws {
        try runHTTPLoop {
            let answer = "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nnope"
            let (listener, url) = try hastyServer(answer)
            let client = HTTPClient()
            let loop = EventLoop.current
            let begun = loop.now
            let response = try await client.post(url, body: Self.bodies[form])
            #expect(response.status.code == 413 && response.text == "nope")
            #expect(begun.duration(to: loop.now) < .seconds(1))
            // The connection is in the middle of a request: it is not used again.
            let next = try await client.get(url)
            #expect(next.status.code == 413)
            await client.shutdown()
            listener.close()
        }
    }

    /// One that is never stuck, since it comes in drops: a refusal ends it, and another answer does not.
    @Test(arguments: [413, 200])
    func aRefusalEndsAStreamThatComesInDrops(status: Int) throws {
        try runHTTPLoop {
            let (listener, url) = try hastyServer("HTTP/1.1 \(status) x\r\nContent-Length: 4\r\n\r\nword")
            let client = HTTPClient()
            let loop = EventLoop.current
            let begun = loop.now
            let body = HTTPBody.stream { writer in
                for _ in 0..<20 {
                    try await writer.write("drop")
                    try await sleep(for: .seconds(1))
                }
            }
            let response = try await client.post(url, body: body)
            #expect(response.status.code == status && response.text == "word")
            let taken = begun.duration(to: loop.now)
            #expect(status == 413 ? taken < .seconds(3) : taken >= .seconds(20), "\(taken)")
            await client.shutdown()
            listener.close()
        }
    }

    @Test func interimResponsesDoNotEndTheSending() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let client = HTTPClient()
            let url = HTTPURL("http://\(listener.localAddress)/")!
            let task = onLoop { try await client.post(url, body: .bytes(Self.large)) }
            let stream = try await listener.accept()
            try await stream.write("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Con")
            try await sleep(for: .seconds(1))
            try await stream.write("tinue\r\n\r\n")
            var received = 0
            while received < Self.large.count { received += try await stream.read()?.count ?? 0 }
            try await stream.write(ok)
            let response = try await task.value
            #expect(response.text == "ok")
        }
    }

    @Test func aBodyThatIsExpectedToContinueWaitsForTheWord() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let client = HTTPClient()
            let url = HTTPURL("http://\(listener.localAddress)/")!
            // The word, a refusal, and silence.
            for (word, expected) in [("HTTP/1.1 100 Continue\r\n\r\n", "body"), (nil, "body")] {
                let task = onLoop {
                    try await client.post(url, headerFields: [.expect: "100-continue"], body: .text("body"))
                }
                let stream = try await listener.accept()
                let head = String(decoding: try await stream.read() ?? [], as: UTF8.self)
                #expect(head.hasSuffix("\r\n\r\n"))
                if let word { try await stream.write(word) }
                #expect(String(decoding: try await stream.read() ?? [], as: UTF8.self) == expected)
                try await stream.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                let response = try await task.value
                #expect(response.status == .ok)
                stream.close()
            }
            let task = onLoop {
                try await client.post(url, headerFields: [.expect: "100-continue"], body: .text("body"))
            }
            let stream = try await listener.accept()
            _ = try await stream.read()
            try await stream.write("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
            let response = try await task.value
            #expect(response.status.code == 417)
            // The body was not sent, and the connection is closed.
            let rest = try await stream.read()
            #expect(rest == nil)
        }
    }
}
