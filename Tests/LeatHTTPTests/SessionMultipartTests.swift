import Glibc
import Leat
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@testable import LeatHTTP

/// Numbers that a test can tell in advance.
private struct Counting: RandomNumberGenerator {
    var number: UInt64 = 0

    mutating func next() -> UInt64 {
        number += 1
        return number
    }
}

@Suite(.timeLimit(.minutes(5)))
struct SessionMultipartTests {
    // MARK: What is written

    @Test func aFormIsWrittenAsTheStandardSays() throws {
        try runHTTPLoop {
            var generator = Counting()
            var form = MultipartForm(using: &generator)
            #expect(form.contentType == "multipart/form-data; boundary=leat-1-2")
            try form.append(.text("Å\r\n--x"), name: "title")
            try form.append(.bytes([0, 255]), name: "b", filename: "f.png", contentType: "image/png")
            try form.append(.none, name: "c", filename: "")
            let expected =
                Array("--leat-1-2\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nÅ\r\n--x\r\n".utf8)
                + Array("--leat-1-2\r\nContent-Disposition: form-data; name=\"b\"; filename=\"f.png\"\r\n".utf8)
                + Array("Content-Type: image/png\r\n\r\n".utf8) + [0, 255]
                + Array("\r\n--leat-1-2\r\nContent-Disposition: form-data; name=\"c\"; filename=\"\"\r\n".utf8)
                + Array("Content-Type: application/octet-stream\r\n\r\n\r\n--leat-1-2--\r\n".utf8)
            let received = try await received(form)
            #expect(received.body == expected)
            #expect(received.headerFields[.contentLength] == "\(expected.count)")
            #expect(received.headerFields[values: .contentType] == [form.contentType])
            #expect(form.length == expected.count)
        }
    }

    @Test func twoFormsHaveTwoBoundaries() {
        let types = Set((0..<100).map { _ in MultipartForm().contentType })
        #expect(types.count == 100)
        // RFC 2046 §5.1.1: at most 70 characters.
        #expect(types.allSatisfy { HTTPMediaType($0)?["boundary"].map { 20...70 ~= $0.utf8.count } == true })
    }

    @Test func aNameCannotEndItsQuotesOrItsLine() throws {
        try runHTTPLoop {
            var form = MultipartForm()
            try form.append(.text(""), name: "a\"b\r\nX-Evil: 1", filename: "x\"; y=\"\n.txt\\")
            let text = String(decoding: try await received(form).body, as: UTF8.self)
            #expect(text.contains("; name=\"a%22b%0D%0AX-Evil: 1\"; filename=\"x%22; y=%22%0A.txt\\\"\r\n"))
        }
    }

    @Test(arguments: ["\0", "a\u{7F}", "\u{1B}"])
    func aControlCharacterInANameIsRefused(name: String) {
        var form = MultipartForm()
        let length = form.length
        let error = #expect(throws: HTTPError.self) { try form.append(.text(""), name: name) }
        #expect(error?.kind == .invalidRequest)
        #expect(throws: HTTPError.self) { try form.append(.none, name: "a", filename: name) }
        #expect(form.length == length)
    }

    @Test(arguments: ["", "text", "text/plain; a", "text/plain\r\nX: y", "text/plain; a=\"\r\n\"", "a/b; c=\"\\\r\""])
    func whatIsNoMediaTypeIsRefused(contentType: String) {
        var form = MultipartForm()
        let error = #expect(throws: HTTPError.self) { try form.append(.none, name: "a", contentType: contentType) }
        #expect(error?.kind == .invalidRequest)
    }

    @Test func aFormThatIsTooLongIsRefused() {
        for length in [Int.max, .max - 100] {
            var form = MultipartForm()
            #expect(throws: HTTPError.self) { try form.append(.stream(length: length) { _ in }, name: "a") }
        }
    }

    // MARK: Peers

    @Test(arguments: PythonFormServer.installed, [false, true])
    func pythonReadsWhatWasSent(server: PythonFormServer, isChunked: Bool) throws {
        try server.run { url in try send(isChunked: isChunked, to: url) }
    }

    private func send(isChunked: Bool, to url: HTTPURL) throws {
        try runHTTPLoop(realTime: true) {
            let big = try PythonBytes.evaluate("bytes((i * i >> 3) & 255 for i in range(300000))")
            let file = try TemporaryFile(big)
            defer { file.remove() }
            var form = MultipartForm()
            try form.append(.text("Grüße\r\nzwei"), name: "text")
            try form.append(.text(""), name: "empty")
            try form.append(
                .bytes([1, 2, 3]),
                name: "a\"b",
                filename: "Ä\".txt",
                contentType: "text/plain; a=\"b;c\""
            )
            try await form.appendFile(at: file.path, name: "file")
            let stream = HTTPBody.stream(length: isChunked ? nil : 7) { writer in
                try await writer.write("one ")
                try await writer.write("two")
            }
            try form.append(stream, name: "stream", filename: "s")
            #expect((form.length == nil) == isChunked)
            let response = try await HTTPClient().post(url, form: form)
            let name = file.path.split(separator: "/").last ?? ""
            #expect(
                response.text == """
                    text None None 13 \(try md5(Array("Grüße\r\nzwei".utf8)))
                    empty None None 0 \(try md5([]))
                    a%22b Ä%22.txt text/plain 3 \(try md5([1, 2, 3]))
                    file \(name) application/octet-stream 300000 \(try md5(big))
                    stream s application/octet-stream 7 \(try md5(Array("one two".utf8)))

                    """
            )
        }
    }

    @Test(.enabled(if: access("/usr/bin/curl", X_OK) == 0, "curl is not installed"))
    func curlSendsTheSameBytes() throws {
        let file = try TemporaryFile(Array("of a file\n".utf8))
        defer { file.remove() }
        try runHTTPLoop(realTime: true) {
            let collector = try Collector()
            let command =
                "timeout 20 curl -s -F 'a=one' -F 'b\"\n=two;type=text/html' "
                + "-F 'c=@\(file.path);filename=x\"y;type=text/plain' \(collector.url)"
            let status = try await EventLoop.current.offload { system(command) }
            #expect(status == 0)
            let fromCurl = try #require(collector.requests.first)
            let boundary = try #require(fromCurl.headerFields.mediaType?["boundary"])
            var form = MultipartForm()
            try form.append(.text("one"), name: "a")
            try form.append(.text("two"), name: "b\"\n", contentType: "text/html")
            try await form.appendFile(at: file.path, name: "c", filename: "x\"y", contentType: "text/plain")
            _ = try await HTTPClient().post(collector.url, form: form)
            let own = try #require(HTTPMediaType(form.contentType)?["boundary"])
            let text = String(decoding: collector.requests[1].body, as: UTF8.self)
            let lines = text.split(separator: own).joined(separator: boundary)
            #expect(lines == String(decoding: fromCurl.body, as: UTF8.self))
            collector.stop()
        }
    }

    // MARK: Lengths

    @Test(arguments: [[3, 3], [3, 5], []])
    func aPartOfAnotherLengthFailsTheRequest(sizes: [Int]) throws {
        try runHTTPLoop {
            for isChunked in [false, true] {
                var form = MultipartForm()
                let part = HTTPBody.stream(length: 7) { writer in
                    for size in sizes { try await writer.write([UInt8](repeating: 0x78, count: size)) }
                }
                try form.append(part, name: "s")
                // One that would make up for it.
                let rest = 14 - sizes.reduce(0, +)
                let second = HTTPBody.stream(length: isChunked ? nil : 7) { writer in
                    try await writer.write([UInt8](repeating: 0, count: rest))
                }
                try form.append(second, name: "t")
                let error = await #expect(throws: HTTPError.self) { _ = try await received(form) }
                #expect(error?.kind == .bodyLength)
            }
        }
    }

    // MARK: Files

    @Test(arguments: [0, 1, 65536, 65537, 2_000_001])
    func aFileArrivesWhole(size: Int) throws {
        try runHTTPLoop {
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 / 7) }
            let file = try TemporaryFile(bytes)
            defer { file.remove() }
            let collector = try Collector()
            let response = try await HTTPClient().post(collector.url, body: try await .file(at: file.path))
            #expect(response.status == .noContent)
            let request = try #require(collector.requests.first)
            #expect(request.body == bytes)
            #expect(request.headerFields[.contentLength] == "\(size)")
            collector.stop()
        }
    }

    @Test func whatIsNoFileIsRefused() throws {
        let directory = try TemporaryFile([])
        defer { directory.remove() }
        let pipe = directory.path + ".pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        defer { unlink(pipe) }
        try runHTTPLoop(realTime: true) {
            var form = MultipartForm()
            let length = form.length
            let missing = await #expect(throws: SystemError.self) {
                try await form.appendFile(at: "/nonexistent/x", name: "a")
            }
            #expect(missing?.description == "open /nonexistent/x: No such file or directory (2)")
            for path in ["/tmp", "/dev/null", "/etc/hostname\0x", pipe] {
                let error = await #expect(throws: HTTPError.self) { try await form.appendFile(at: path, name: "a") }
                #expect(error?.kind == .invalidRequest)
            }
            #expect(form.length == length)
        }
    }

    @Test(arguments: [0, 99, 101])
    func aFileThatChangedItsSizeFailsTheRequest(size: Int) throws {
        try runHTTPLoop {
            let file = try TemporaryFile([UInt8](repeating: 1, count: 100))
            defer { file.remove() }
            var form = MultipartForm()
            try await form.appendFile(at: file.path, name: "f")
            truncate(file.path, size)
            let error = await #expect(throws: HTTPError.self) { _ = try await received(form) }
            #expect(error?.kind == .bodyLength)
            file.remove()
            await #expect(throws: SystemError.self) { _ = try await received(form) }
        }
    }

    @Test(arguments: [1 << 20, 17 << 20])
    func aFileThatChangesWhileItIsSentFailsTheRequest(size: Int) throws {
        try runHTTPLoop {
            let file = try TemporaryFile([])
            defer { file.remove() }
            truncate(file.path, 16 << 20)
            let arrived = Arrived()
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, body in
                for try await piece in body {
                    if arrived.count == 0 { truncate(file.path, size) }
                    arrived.count += piece.count
                }
                return HTTPServerResponse()
            }
            let serving = onLoop { try await server.run() }
            let body = try await HTTPBody.file(at: file.path)
            let url = HTTPURL("http://\(server.localAddress)/")!
            let error = await #expect(throws: HTTPError.self) { _ = try await HTTPClient().post(url, body: body) }
            #expect(error?.kind == .bodyLength)
            #expect(arrived.count < 16 << 20)
            server.beginGracefulShutdown()
            _ = try await serving.value
        }
    }

    @Test func aLargeFileIsNeverInMemory() async {
        // In a process of its own, for the other tests use memory as well.
        await #expect(processExitsWith: .success) {
            try runHTTPLoop(realTime: true) {
                let file = try TemporaryFile([])
                truncate(file.path, 256 << 20)
                let arrived = Arrived()
                var configuration = HTTPServer.Configuration()
                configuration.maximumRequestBody = .max
                let server = try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { _, body in
                    for try await piece in body { arrived.count += piece.count }
                    return HTTPServerResponse()
                }
                onLoop { try await server.run() }
                var form = MultipartForm()
                try await form.appendFile(at: file.path, name: "f")
                let before = peakMemory()
                _ = try await HTTPClient().post(HTTPURL("http://\(server.localAddress)/")!, form: form)
                file.remove()
                precondition(arrived.count == form.length)
                precondition(peakMemory() - before < 8 << 20)
                server.beginGracefulShutdown()
            }
        }
    }

    // MARK: Sending again

    @Test func aFormWithFilesIsSentAgain() throws {
        try runHTTPLoop {
            let file = try TemporaryFile([UInt8](repeating: 0x66, count: 100_000))
            defer { file.remove() }
            var form = MultipartForm()
            try form.append(.text("t"), name: "text")
            try await form.appendFile(at: file.path, name: "file")
            let collector = try Collector(statuses: [503, 307])
            let request = HTTPClientRequest(.put, collector.url, form: form)
            let response = try await HTTPClient().execute(request, retry: RetryPolicy(retries: 1))
            #expect(response.status == .noContent)
            // The failure, the redirect and where it led to.
            #expect(collector.requests.count == 3)
            for request in collector.requests {
                #expect(request.body.count == form.length)
                #expect(request.body == collector.requests[0].body)
                #expect(request.headerFields[.contentType] == form.contentType)
            }
            collector.stop()
        }
    }

    @Test func aFormWithAStreamIsSentOnceUnlessTheStreamCanBeReplayed() throws {
        try runHTTPLoop {
            for isReplayable in [false, true] {
                var form = MultipartForm()
                let stream = HTTPBody.stream(isReplayable: isReplayable) { try await $0.write("x") }
                try form.append(stream, name: "s")
                let collector = try Collector(statuses: [503])
                let request = HTTPClientRequest(.post, collector.url, form: form)
                let response = try await HTTPClient().execute(request, retry: RetryPolicy(retries: 1))
                #expect(response.status.code == (isReplayable ? 204 : 503))
                #expect(collector.requests.count == (isReplayable ? 2 : 1))
                collector.stop()
            }
        }
    }
}

private func md5(_ bytes: [UInt8]) throws -> String {
    let file = try TemporaryFile(bytes)
    defer { file.remove() }
    let expression = "__import__('hashlib').md5(open('\(file.path)', 'rb').read()).hexdigest().encode()"
    return String(decoding: try PythonBytes.evaluate(expression), as: UTF8.self)
}

private final class Arrived: @unchecked Sendable {
    var count = 0
}

/// The most resident memory that this process has had, in bytes.
private func peakMemory() -> Int {
    guard let file = fopen("/proc/self/status", "r") else { return .max }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, 256, file) != nil {
        let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            .split { $0 == " " || $0 == "\t" }
        if words.first == "VmHWM:" { return Int(words[1])! << 10 }
    }
    return .max
}

/// Sends a form to a server on the loop, and returns what arrived.
private func received(_ form: MultipartForm) async throws -> Collector.Request {
    let collector = try Collector()
    defer { collector.stop() }
    _ = try await HTTPClient().post(collector.url, form: form, headerFields: [.contentType: "text/plain"])
    return try #require(collector.requests.first)
}
