import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

private enum Sample {
    static let text = "hello, hello, hello, hello"
}

@Suite(.timeLimit(.minutes(5)))
struct DecompressionTests {
    private func answer(_ coding: String, _ body: [UInt8], chunked: Bool = false) -> [UInt8] {
        if chunked {
            var bytes = Array(
                "HTTP/1.1 200 OK\r\nContent-Encoding: \(coding)\r\nTransfer-Encoding: chunked\r\n\r\n".utf8
            )
            for byte in body { bytes += "1\r\n".utf8 + [byte] + "\r\n".utf8 }
            return bytes + "0\r\n\r\n".utf8
        }
        return "HTTP/1.1 200 OK\r\nContent-Encoding: \(coding)\r\nContent-Length: \(body.count)\r\nX: y\r\n\r\n".utf8
            + body
    }

    /// A server that gives each connection the same answer.
    private func url(_ answer: [UInt8]) throws -> HTTPURL {
        let listener = try TCPListener.bind(to: .loopback(port: 0))
        onLoop {
            for try await stream in listener.connections {
                _ = try await stream.read()
                try await stream.write(answer)
                stream.close()
            }
        }
        return HTTPURL("http://\(listener.localAddress)/")!
    }

    @Test(arguments: ["gzip", "x-gzip", "deflate", "raw deflate", "two members", "gzip of gzip"])
    func everyCodingIsUndoneHoweverItArrives(form: String) throws {
        let gzip = "gzip.compress(b'\(Sample.text)')"
        let (coding, expression, expected) =
            switch form {
            case "deflate": ("deflate", "zlib.compress(b'\(Sample.text)')", Sample.text)
            case "raw deflate": ("deflate", "zlib.compress(b'\(Sample.text)')[2:-4]", Sample.text)
            case "two members": ("gzip", "\(gzip) + \(gzip)", Sample.text + Sample.text)
            case "gzip of gzip": ("gzip, gzip", "gzip.compress(\(gzip))", Sample.text)
            default: (form, gzip, Sample.text)
            }
        let body = try PythonBytes.evaluate(expression)
        try runHTTPLoop {
            for chunked in [false, true] {
                let url = try url(answer(coding, body, chunked: chunked))
                let client = HTTPClient()
                let response = try await client.get(url)
                #expect(response.text == expected)
                #expect(!response.headerFields.contains(.contentEncoding))
                #expect(!response.headerFields.contains(.contentLength))
                let request = HTTPClientRequest(.get, url)
                let streamed = try await client.perform(request) { _, body in try await body.text(upTo: 1000) }
                #expect(streamed == expected)
            }
        }
    }

    @Test func aStreamThatIsCutOffIsAnErrorAtEveryByte() throws {
        let body = try PythonBytes.evaluate("gzip.compress(b'\(Sample.text)')")
        try runHTTPLoop {
            let client = HTTPClient()
            for count in 1..<body.count {
                let url = try url(answer("gzip", Array(body[..<count])))
                let error = await #expect(throws: HTTPError.self) { _ = try await client.get(url) }
                #expect(error?.kind == .incomplete, "\(count)")
            }
            // Nothing at all is nothing.
            #expect(try await client.get(url(answer("gzip", []))).body.isEmpty)
        }
    }

    @Test func damageAndGarbageAreErrors() throws {
        let body = try PythonBytes.evaluate("gzip.compress(b'\(Sample.text)')")
        try runHTTPLoop {
            let client = HTTPClient()
            for damaged in [body + Array("garbage".utf8), Array("not gzip".utf8), body.dropLast() + [body.last! ^ 1]] {
                let url = try url(answer("gzip", Array(damaged)))
                let error = await #expect(throws: HTTPError.self) { _ = try await client.get(url) }
                #expect(error?.kind == .contentCoding)
            }
        }
    }

    @Test func aBombIsDefused() throws {
        let bomb = try PythonBytes.evaluate("gzip.compress(bytes(50_000_000))")
        #expect(bomb.count < 100_000)
        try runHTTPLoop {
            let url = try url(answer("gzip", bomb))
            let client = HTTPClient()
            let ratio = await #expect(throws: HTTPError.self) { _ = try await client.get(url) }
            #expect(ratio?.kind == .compressionRatio)
            let size = await #expect(throws: HTTPError.self) { _ = try await client.request(.get, url, upTo: 500_000) }
            #expect(size?.kind == .bodyTooLarge)
        }
    }

    @Test func whatTheCallerAsksForItselfAndWhatIsUnknownStaysAsItIs() throws {
        let body = try PythonBytes.evaluate("gzip.compress(b'\(Sample.text)')")
        try runHTTPLoop {
            let client = HTTPClient()
            let url = try url(answer("gzip", body))
            #expect(try await client.get(url, headerFields: [.acceptEncoding: "gzip"]).body == body)
            let brotli = try self.url(answer("br", body))
            let response = try await client.get(brotli)
            #expect(response.body == body && response.headerFields[.contentEncoding] == "br")
            // Too many layers are an attack.
            let layers = try self.url(answer("gzip, gzip, gzip", body))
            let error = await #expect(throws: HTTPError.self) { _ = try await client.get(layers) }
            #expect(error?.kind == .contentCoding)
        }
    }
}
