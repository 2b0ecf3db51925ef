import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// All connections of a loop receive into one buffer. What one of them has not used yet must outlive the reads of the others,
/// whatever its task is waiting for in the meantime.
@Suite(.timeLimit(.minutes(5)))
struct SharedBufferTests {
    private let twoChunks = "5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"

    @Test func aClientsUnreadBodySurvivesOtherExchanges() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let other = try ScriptedServer([[ok, ok, ok]])
            onLoop {
                let stream = try await listener.accept()
                _ = try await stream.read()
                try await stream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                try await sleep(for: .milliseconds(20))
                try await stream.write(twoChunks)
                _ = try await stream.read()
            }
            let client = HTTPClient()
            let authority = "\(listener.localAddress)"
            let request = HTTPClientRequest(.get, HTTPURL("http://\(authority)/")!)
            let pieces = try await client.perform(request) { _, body in
                var pieces: [String] = []
                while let piece = try await body.read() {
                    pieces.append(String(decoding: piece, as: UTF8.self))
                    _ = try await client.get(other.url)
                }
                return pieces
            }
            #expect(pieces == ["first", "second"])
            await client.shutdown()
        }
    }

    /// The other's bytes are laid out so that they would fit into the first one's framing.
    @Test func aServersUnreadBodyIsNotTakenFromAnotherConnection() throws {
        try runHTTPLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, body in
                var all = ""
                for try await piece in body {
                    all += String(decoding: piece, as: UTF8.self)
                    try await sleep(for: .milliseconds(30))
                }
                return HTTPServerResponse(body: .text("\(request.path!) \(all)"))
            }
            onLoop { try await server.run() }
            let stream = try await TCPStream.connect(to: server.localAddress)
            try await stream.write("POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            try await sleep(for: .milliseconds(10))
            try await stream.write(twoChunks + "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            try await sleep(for: .milliseconds(10))
            let other = try await TCPStream.connect(to: server.localAddress)
            try await other.write("XXXXX\r\nXX\r\n6\r\nSECRET\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: b\r\n\r\n")
            try await sleep(for: .milliseconds(200))
            let answers = String(decoding: try await stream.read()!, as: UTF8.self)
            #expect(answers.contains("/1 firstsecond") && answers.contains("/2 ") && !answers.contains("SECRET"))
            stream.close()
            other.close()
            server.beginGracefulShutdown()
        }
    }

    /// The head of the answer has begun when the body is sent, by a task that waits for other things in between.
    @Test func theBeginningOfAnAnswerSurvivesTheBodyOfItsRequest() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let other = try ScriptedServer([[ok]])
            onLoop {
                let stream = try await listener.accept()
                _ = try await stream.read()
                try await stream.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-")
                var received = ""
                while !received.hasSuffix("0\r\n\r\n") {
                    received += String(decoding: try await stream.read()!, as: UTF8.self)
                }
                try await stream.write("Length: 4\r\n\r\nwell")
            }
            let client = HTTPClient()
            let body = HTTPBody.stream { writer in
                _ = try await client.get(other.url)
                try await writer.write("part")
            }
            let url = HTTPURL("http://\(listener.localAddress)/")!
            let response = try await client.request(.post, url, headerFields: [.expect: "100-continue"], body: body)
            #expect(response.text == "well")
            await client.shutdown()
        }
    }
}
