import CommandKit
import Leat

/// What `leat serve` was asked to do.
struct ServeOptions: Sendable {
    enum Content: Equatable {
        case directory(String)
        case echo
    }

    var content: Content
    var address = SocketAddress.loopback(port: 8080)
    var tls: TLSConfiguration?

    init(content: Content) {
        self.content = content
    }

    init(parsing words: some Sequence<String>) throws(UsageError) {
        var arguments = Arguments(words)
        var directory: String?
        var echo = false
        var host: String?
        var port: Int?
        var socket: String?
        var certificate: String?
        var key: String?
        while let word = try arguments.next() {
            switch word {
            case .operand(let path):
                guard directory == nil else { throw UsageError("leat serve takes one directory, not also '\(path)'") }
                directory = path
            case .option("--echo"): echo = true
            case .option("--host"): host = try arguments.value(of: "--host")
            case .option("--port"), .option("-p"): port = try arguments.number(of: "--port", in: 0...65535)
            case .option("--unix"): socket = try arguments.value(of: "--unix")
            case .option("--cert"): certificate = try arguments.readableFile(of: "--cert")
            case .option("--key"): key = try arguments.readableFile(of: "--key")
            case .option(let option): throw UsageError("there is no option '\(option)'; see 'leat serve --help'")
            }
        }
        switch (directory, echo) {
        case (let directory?, false): content = .directory(directory)
        case (nil, true): content = .echo
        case (.some, true): throw UsageError("either a directory or --echo, not both")
        case (nil, false): throw UsageError("what is to be served? A directory, or --echo; see 'leat serve --help'")
        }
        switch (certificate, key) {
        case (nil, nil): break
        case (let certificate?, let key?):
            tls = TLSConfiguration(certificateChainFile: certificate, privateKeyFile: key)
        default: throw UsageError("https needs both: --cert and --key")
        }
        address = try Self.address(host, port, socket: socket)
    }

    private static func address(_ host: String?, _ port: Int?, socket: String?) throws(UsageError) -> SocketAddress {
        if let socket {
            guard host == nil, port == nil else { throw UsageError("either --unix, or --host and --port") }
            do throws(NetworkError) {
                return try .unix(path: socket)
            } catch {
                throw UsageError("--unix: \(error)")
            }
        }
        guard let address = SocketAddress(ip: host ?? "127.0.0.1", port: UInt16(port ?? 8080)) else {
            throw UsageError("--host takes an IP address such as 127.0.0.1 or ::1, not '\(host ?? "")'")
        }
        return address
    }
}
