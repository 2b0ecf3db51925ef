import Glibc
import Leat

/// `leat serve`: an HTTP server until a signal ends it.
struct ServeProgram: LoopProgram {
    /// Set before the loop exists, read after.
    nonisolated(unsafe) static var options = ServeOptions(content: .echo)

    func run() async {
        do { try await serve() } catch { LeatCommand.end(error) }
    }

    private func serve() async throws {
        raiseDescriptorLimit()
        let handler: HTTPServer.Handler
        switch Self.options.content {
        case .echo: handler = Echo.answer
        case .directory(let path):
            let files = try FileServer(directory: path)
            handler = { request, _ in try await files.answer(request) }
        }
        var configuration = HTTPServer.Configuration()
        configuration.tls = Self.options.tls
        let server = try HTTPServer.bind(to: Self.options.address, configuration: configuration, handler: handler)
        let signals = try TerminationSignals { server.beginGracefulShutdown() }
        try signals.watch(on: .current)
        defer { signals.ignore(on: .current) }
        let scheme = Self.options.tls == nil ? "http" : "https"
        print("listening on \(server.localAddress.unixPath ?? "\(scheme)://\(server.localAddress)/")")
        fflush(nil)
        try await server.run()
    }

    /// A server needs a descriptor for each connection, and the customary soft limit is 1,024 (getrlimit(2)).
    private func raiseDescriptorLimit() {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
