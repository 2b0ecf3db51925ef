import CFloor
import Glibc

/// What nginx needs to serve a case: a configuration and a file of 1 MiB, in a directory that goes when this object does.
final class NginxSite {
    let executable: String
    let directory: String
    let port: Int

    private static let files = ["nginx.conf", "body", "error.log", "nginx.pid"]
    private static let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]

    /// Nil if nginx is not installed.
    init?(connections: Int) throws {
        guard let executable = Self.find() else { return nil }
        var template = Array("/tmp/leat-bench-nginx-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Self.failure("cannot make a directory in /tmp") }
        self.executable = executable
        directory = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        port = try Self.freePort()
        try write("nginx.conf", Array(configuration(connections: connections).utf8))
        try write("body", [UInt8](repeating: 0, count: Int(FLOOR_LONG_BODY)))
    }

    deinit {
        for file in Self.files { unlink("\(directory)/\(file)") }
        for folder in Self.temporary { rmdir("\(directory)/\(folder)") }
        rmdir(directory)
    }

    /// The role of the child: it becomes nginx, and still dies with its parent.
    static func becomeNginx(_ options: NginxOptions) throws {
        let words = [options.executable, "-e", "error.log", "-p", options.directory, "-c", "nginx.conf"]
        var pointers = words.map { strdup($0) }
        pointers.append(nil)
        execv(options.executable, pointers)
        throw failure("cannot run \(options.executable)")
    }

    /// Waits until requests are answered.
    func waitUntilServed() throws {
        for _ in 0..<500 {
            if isServed { return }
            usleep(10_000)
        }
        throw ChildProcess.Failure("nginx does not answer; is it older than 1.19.5?")
    }

    private var isServed: Bool {
        FloorRole.withUse(.get, port: UInt16(port)) { use in
            var socket: Int32 = -1
            guard floor_hold(use, 1, &socket) == 1 else { return false }
            floor_hold_close(1, &socket)
            return true
        }
    }

    /// One process that is all there is: its memory is what the connections take. It closes idle connections when less than a
    /// sixteenth of what it has room for is free, so it has room for more.
    private func configuration(connections: Int) -> String {
        let folders = Self.temporary.map { "    \($0)_temp_path \($0);" }.joined(separator: "\n")
        return """
            daemon off;
            master_process off;
            pid nginx.pid;
            events { worker_connections \(connections + connections / 8 + 64); }
            http {
            \(folders)
                access_log off;
                default_type text/plain;
                sendfile on;
                keepalive_timeout 600;
                keepalive_requests 1000000;
                client_max_body_size 0;
                server {
                    listen 127.0.0.1:\(port) backlog=4096;
                    location = / { return 200 "Hello, World!"; }
                    location = /upload { return 200 "Hello, World!"; }
                    location = /chunked { alias body; }
                }
            }

            """
    }

    static var isInstalled: Bool { find() != nil }

    private static func find() -> String? {
        let path = getenv("PATH").map { String(cString: $0) } ?? ""
        return (path.split(separator: ":") + ["/usr/sbin", "/usr/local/sbin"]).map { "\($0)/nginx" }
            .first { access($0, X_OK) == 0 }
    }

    /// A port that was free a moment ago.
    private static func freePort() throws -> Int {
        var port: UInt16 = 0
        let socket = floor_listen(&port)
        guard socket >= 0 else { throw failure("cannot listen") }
        close(socket)
        return Int(port)
    }

    private func write(_ name: String, _ bytes: [UInt8]) throws {
        let descriptor = open("\(directory)/\(name)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.failure("cannot write \(directory)/\(name)") }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw Self.failure("cannot write \(directory)/\(name)")
        }
    }

    private static func failure(_ what: String) -> ChildProcess.Failure {
        ChildProcess.Failure("\(what): \(String(cString: strerror(errno)))")
    }
}
