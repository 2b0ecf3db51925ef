import Glibc

/// What a shell command prints.
func commandOutput(_ command: String) -> String {
    guard let pipe = popen("timeout 20 \(command)", "r") else { return "" }
    defer { pclose(pipe) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65536)
    while case let count = fread(&piece, 1, piece.count, pipe), count > 0 { bytes += piece[..<count] }
    return String(decoding: bytes, as: UTF8.self)
}

/// A Python program with a `listener` on a port of its own, ended with the test.
final class PythonPeer {
    static let isAvailable = commandOutput("python3 -c 'print(1)'") == "1\n"

    let port: UInt16
    private let directory: String
    private let process: PeerProcess

    init(_ program: String) {
        var template = Array("/tmp/leat-peer-XXXXXX".utf8CString)
        mkdtemp(&template)
        directory = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        mkfifo("\(directory)/port", 0o600)
        let file = fopen("\(directory)/peer.py", "w")!
        let beginning = """
            import base64, hashlib, socket, ssl
            listener = socket.create_server(("127.0.0.1", 0))
            with open("\(directory)/port", "w") as f: f.write(str(listener.getsockname()[1]))

            """
        fputs(beginning + program + "\n", file)
        fclose(file)
        process = PeerProcess("python3 \(directory)/peer.py")
        let pipe = open("\(directory)/port", O_RDONLY | O_NONBLOCK)
        defer { close(pipe) }
        var interest = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
        poll(&interest, 1, 20_000)
        var text = [UInt8](repeating: 0, count: 16)
        let count = read(pipe, &text, text.count)
        port = UInt16(String(decoding: text[..<max(0, count)], as: UTF8.self)) ?? 0
    }

    deinit {
        for name in ["port", "peer.py"] { unlink("\(directory)/\(name)") }
        rmdir(directory)
    }
}
