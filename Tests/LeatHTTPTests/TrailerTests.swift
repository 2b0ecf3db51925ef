import Glibc
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

private let checksum = HTTPField.Name("X-Checksum")!

private func trailing(_ trailers: HTTPFields, length: Int? = nil) -> HTTPBody {
    .stream(length: length) { writer in
        try await writer.write("hello")
        try writer.addTrailers(trailers)
    }
}

@Suite(.timeLimit(.minutes(5)))
struct TrailerTests {
    @Test func trailersPassBothWays() throws {
        try runHTTPLoop(realTime: true) {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, body in
                let text = try await body.text(upTo: 100)
                #expect(request.headerFields[.trailer] == "X-Checksum" && !request.headerFields.contains(checksum))
                let trailers = body.trailers
                return HTTPServerResponse(
                    body: .stream { writer in
                        try writer.addTrailers(trailers)
                        try await writer.write(text)
                        try writer.addTrailers([.init("X-More")!: "1"])
                    }
                )
            }
            onLoop { try await server.run() }
            let client = HTTPClient()
            let url = HTTPURL("http://\(server.localAddress)/")!
            for _ in 0..<2 {
                let fields: HTTPFields = [.trailer: "X-Checksum"]
                let response = try await client.post(url, headerFields: fields, body: trailing([checksum: "5d41"]))
                #expect(response.text == "hello")
                #expect(response.trailers == [checksum: "5d41", .init("X-More")!: "1"])
            }
            #expect(server.connectionCount == 1)
        }
    }

    /// Trailers that arrive when the request is answered already are for nobody: neither for the next request of the connection
    /// nor for another connection.
    @Test func noRequestGetsTheTrailersOfAnother() throws {
        try runHTTPLoop(realTime: true) {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, body in
                if request.path == "/early" { return HTTPServerResponse(body: .text("early")) }
                let text = try await body.text(upTo: 100)
                return HTTPServerResponse(body: .text("\(text) \(body.trailers.count)"))
            }
            onLoop { try await server.run() }
            let client = try await RawClient.connect(to: server)
            let other = try await RawClient.connect(to: server)
            func sendTrailersLate() async throws {
                try await client.send("POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                #expect(try await client.response()?.text == "early")
                try await client.send("0\r\nX-Secret: 1\r\n\r\n")
            }
            try await sendTrailersLate()
            try await client.send(RawClient.post("/", body: "abc"))
            #expect(try await client.response()?.text == "abc 0")
            try await sendTrailersLate()
            #expect(try await client.get("/")?.text == " 0")
            try await other.send(RawClient.post("/", body: "def"))
            #expect(try await other.response()?.text == "def 0")
        }
    }

    @Test func trailersStandBehindTheLastChunk() throws {
        try runHTTPLoop(realTime: true) {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let received = onLoop {
                let stream = try await listener.accept()
                var text = ""
                while !text.hasSuffix("X-Checksum: 1\r\n\r\n"), let piece = try await stream.read() {
                    text += String(decoding: piece, as: UTF8.self)
                }
                try await stream.write(ok)
                return text
            }
            let url = HTTPURL("http://\(listener.localAddress)/")!
            _ = try await HTTPClient().post(url, body: trailing([checksum: "1"]))
            #expect(try await received.value.hasSuffix("\r\n\r\n5\r\nhello\r\n0\r\nX-Checksum: 1\r\n\r\n"))
        }
    }

    @Test(
        arguments: [
            ([.contentLength: "5"], nil), ([.transferEncoding: "chunked"], nil), ([.host: "b"], nil),
            ([checksum: "a\r\nX: y"], nil), ([checksum: "1"], 5), ([:], 5),
        ] as [(HTTPFields, Int?)]
    )
    func trailersThatCannotBeSentAreRefused(trailers: HTTPFields, length: Int?) throws {
        try runHTTPLoop(realTime: true) {
            let server = try ScriptedServer([[ok], [ok]])
            let client = HTTPClient()
            let error = await #expect(throws: HTTPError.self) {
                _ = try await client.post(server.url, body: trailing(trailers, length: length))
            }
            #expect(error?.kind == .invalidRequest)
            #expect(try await client.get(server.url).text == "ok")
        }
    }

    @Test func aServersTrailersThatCannotBeSentBreakTheResponse() throws {
        try runHTTPLoop(realTime: true) {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in
                HTTPServerResponse(body: trailing([.contentLength: "5"]))
            }
            onLoop { try await server.run() }
            let error = await #expect(throws: HTTPError.self) {
                _ = try await HTTPClient().get(HTTPURL("http://\(server.localAddress)/")!)
            }
            #expect(error?.kind == .malformed || error?.kind == .incomplete, "\(error.map(\.description) ?? "")")
        }
    }

    @Test func anOldClientGetsTheBodyWithoutThem() throws {
        try runHTTPLoop(realTime: true) {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in
                HTTPServerResponse(body: trailing([checksum: "1"]))
            }
            onLoop { try await server.run() }
            let stream = try await TCPStream.connect(to: server.localAddress)
            try await stream.write("GET / HTTP/1.0\r\n\r\n")
            var answer = ""
            while let piece = try await stream.read() { answer += String(decoding: piece, as: UTF8.self) }
            #expect(answer.hasSuffix("\r\n\r\nhello"))
        }
    }

    @Test(.enabled(if: access("/usr/bin/curl", X_OK) == 0, "curl is not installed"))
    func curlReadsThem() throws {
        try runHTTPLoop(realTime: true) {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in
                HTTPServerResponse(headerFields: [.trailer: "X-Checksum"], body: trailing([checksum: "5d41"]))
            }
            onLoop { try await server.run() }
            let address = server.localAddress
            // curl writes the trailers to where it writes the header fields.
            let text = try await EventLoop.current.offload {
                commandOutput("curl -s -m 20 -D - http://\(address)/ http://\(address)/")
            }
            #expect(text.components("X-Checksum: 5d41\r\n") == 2 && text.components("hello") == 2)
        }
    }

    @Test(.enabled(if: PythonPeer.isAvailable, "python3 is not installed"))
    func pythonReadsWhatTheClientSends() throws {
        try runHTTPLoop(realTime: true) {
            let server = PythonPeer(
                """
                s = listener.accept()[0]
                f = s.makefile("rb")
                while f.readline() != b"\\r\\n": pass
                body = b""
                while (size := int(f.readline(), 16)): body += f.read(size + 2)[:-2]
                trailers = []
                while (line := f.readline()) != b"\\r\\n": trailers.append(line.strip())
                answer = body + b"|" + b",".join(trailers)
                s.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(answer), answer))
                f.read()
                """
            )
            let url = HTTPURL("http://127.0.0.1:\(server.port)/")!
            let response = try await HTTPClient().post(url, body: trailing([checksum: "5d41", .init("X-Two")!: "2"]))
            #expect(response.text == "hello|X-Checksum: 5d41,X-Two: 2")
        }
    }
}

extension String {
    /// How often a text occurs.
    fileprivate func components(_ text: String) -> Int {
        split(separator: text, omittingEmptySubsequences: false).count - 1
    }
}
