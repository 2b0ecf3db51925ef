import Glibc
import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

/// A file with known content under /tmp.
struct TemporaryFile: Sendable {
    struct Failure: Error {}

    let path: String

    init(_ bytes: [UInt8]) throws {
        var template = Array("/tmp/leat-test-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw Failure() }
        defer { close(descriptor) }
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        guard write(descriptor, bytes, bytes.count) == bytes.count else { throw Failure() }
    }

    func remove() { unlink(path) }
}

/// A server that keeps the requests it gets, and answers them with 204, or first with the statuses it is told to.
final class Collector: @unchecked Sendable {
    struct Request: Sendable {
        var headerFields: HTTPFields
        var body: [UInt8]
    }

    private(set) var requests: [Request] = []
    private var statuses: ArraySlice<Int>
    private var server: HTTPServer!

    init(statuses: [Int] = []) throws {
        self.statuses = statuses[...]
        server = try HTTPServer.bind(to: .loopback(port: 0)) { [unowned self] request, body in
            let bytes = try await body.collect(upTo: 1 << 24)
            requests.append(Request(headerFields: request.headerFields, body: bytes))
            let status = HTTPResponse.Status(code: self.statuses.popFirst() ?? 204)
            return HTTPServerResponse(status: status, headerFields: [.location: "/elsewhere"])
        }
        onLoop { [server] in try await server!.run() }
    }

    var url: HTTPURL { HTTPURL("http://\(server.localAddress)/")! }

    func stop() { server.beginGracefulShutdown() }
}

/// A server in Python that reads one form, and answers with a line for each part: name, file name, media type, length, MD5.
enum PythonFormServer: String, Sendable {
    /// `http.server`, and `email` for the fields of the parts; the delimiters by hand, for `email` rewrites line ends.
    case standardLibrary = """
        import email, email.policy, hashlib, http.server

        def parse(data):
            return email.message_from_string(data.decode() + "\\r\\n\\r\\n", policy=email.policy.HTTP)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def read_body(self):
                if "Content-Length" in self.headers: return self.rfile.read(int(self.headers["Content-Length"]))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def do_POST(self):
                message = parse(b"Content-Type: " + self.headers["Content-Type"].encode())
                assert message.get_content_type() == "multipart/form-data"
                delimiter = b"\\r\\n--" + message.get_boundary().encode()
                before, *parts, end = (b"\\r\\n" + self.read_body()).split(delimiter)
                assert before == b"" and end == b"--\\r\\n", (before, end)
                answer = ""
                for part in parts:
                    assert part.startswith(b"\\r\\n"), part
                    head, content = part[2:].split(b"\\r\\n\\r\\n", 1)
                    fields = parse(head)
                    assert not fields.defects and len(fields) <= 2, head
                    disposition = fields["content-disposition"]
                    assert disposition.content_disposition == "form-data" and not disposition.defects, head
                    name, filename = disposition.params["name"], disposition.params.get("filename")
                    kind = fields["content-type"] and fields["content-type"].content_type
                    answer += f"{name} {filename} {kind} {len(content)} {hashlib.md5(content).hexdigest()}\\n"
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer.encode())))
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *arguments): pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        print(server.server_port, flush=True)
        server.handle_request()
        """

    /// aiohttp, with its own parser of forms.
    case aiohttp = """
        import asyncio, hashlib, socket
        from aiohttp import web

        async def main():
            done = asyncio.Event()
            async def handle(request):
                answer = ""
                reader = await request.multipart()
                while part := await reader.next():
                    content = bytes(await part.read())
                    kind = part.headers.get("Content-Type", "None").split(";")[0]
                    answer += f"{part.name} {part.filename} {kind} {len(content)} {hashlib.md5(content).hexdigest()}\\n"
                done.set()
                return web.Response(text=answer, headers={"Connection": "close"})
            application = web.Application()
            application.router.add_post("/", handle)
            runner = web.AppRunner(application)
            await runner.setup()
            listener = socket.create_server(("127.0.0.1", 0))
            await web.SockSite(runner, listener).start()
            print(listener.getsockname()[1], flush=True)
            await done.wait()
            await runner.cleanup()

        asyncio.run(main())
        """

    /// Those whose modules are there.
    static let installed: [PythonFormServer] =
        system("python3 -c 'import aiohttp' 2>/dev/null") == 0 ? [.standardLibrary, .aiohttp] : [.standardLibrary]

    /// Runs it for 20 seconds at most while `body` has its URL.
    func run(_ body: (HTTPURL) throws -> Void) throws {
        let program = try TemporaryFile(Array(rawValue.utf8))
        defer { program.remove() }
        guard let pipe = popen("exec timeout 20 python3 \(program.path)", "r") else { throw TemporaryFile.Failure() }
        defer { pclose(pipe) }
        var line = [CChar](repeating: 0, count: 16)
        guard fgets(&line, 16, pipe) != nil else { throw TemporaryFile.Failure() }
        let port = String(decoding: line.prefix { $0 >= 0x30 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try body(HTTPURL("http://127.0.0.1:\(port)/")!)
    }
}

extension PythonFormServer: CustomTestStringConvertible {
    var testDescription: String { self == .aiohttp ? "aiohttp" : "standard library" }
}
