// The code of docs/guides/observing.md: `swift run doc-observing`.
import Glibc
import Leat

@main struct Observing: LoopProgram {
    func run() async throws {
        let socket = try SocketAddress.unix(abstractName: "leat-doc-observing-\(getpid())")
        let servers = [try redirecting(at: .loopback(port: 0)), try redirecting(at: socket)]
        let serving = servers.map { server in Task { try await server.run() } }
        let client = talkative()
        _ = try await client.get(HTTPURL("http://localhost:\(servers[0].localAddress.port)/old")!)
        count(client)
        try await logged(socket)
        try await measured(socket)
        try await whereItWaits()
        for server in servers { server.beginGracefulShutdown() }
        for task in serving { _ = try await task.value }
    }
}

func redirecting(at address: SocketAddress) throws -> HTTPServer {
    try HTTPServer.bind(to: address) { request, _ in
        guard request.uri.path == "/old" else { return HTTPServerResponse(body: .text("here")) }
        return HTTPServerResponse(status: .found, headerFields: [.location: "/new"])
    }
}

func talkative() -> HTTPClient {
    var configuration = HTTPClient.Configuration()
    configuration.observer = { event in
        let what =
            switch event.kind {
            case .requestStarted(let method, let url): "\(method) \(url.path)"
            case .resolved(let host, _): "found \(host)"
            case .responseHeadReceived(let response): "\(response.status)"
            case .redirected(let url): "redirected to \(url.path)"
            case .requestEnded(let status): "ended: \(status)"
            case .requestFailed(let error): "failed: \(error)"
            default: "\(event.kind)"
            }
        print("request \(event.request):", what)
    }
    return HTTPClient(configuration: configuration)
}

func count(_ client: HTTPClient) {
    let metrics = client.metrics
    print(metrics.requestsStarted, "request,", metrics.redirects, "redirect,", metrics.bytesReceived, "bytes received")
    print(metrics.connectionsCreated, "connection made,", metrics.connectionsIdle, "idle")
}

func logged(_ socket: SocketAddress) async throws {
    var configuration = HTTPClient.Configuration()
    configuration.unixSocket = socket
    configuration.log(to: Logger(label: "http"))
    let client = HTTPClient(configuration: configuration)
    _ = try await client.get("http://app.example/old")
    await client.shutdown()
    _ = try? await client.get("http://app.example/late")
}

func measured(_ socket: SocketAddress) async throws {
    var configuration = HTTPClient.Configuration()
    configuration.unixSocket = socket
    let meter = HTTPClientMeter()
    configuration.observer = { meter.note($0) }
    let client = HTTPClient(configuration: configuration)
    let polling = Task { try await meter.poll(client, every: .seconds(10)) }
    _ = try await client.get("http://app.example/old")
    polling.cancel()
    Registry.printAll()
}

func whereItWaits() async throws {
    let permits = AsyncSemaphore(value: 0)
    let tasks = (0..<2).map { _ in Task { try await permits.acquire() } }
    try await sleep(for: .milliseconds(1))
    print(stuck(EventLoop.current, for: .microseconds(1)), "tasks wait for a permit")
    for task in tasks { task.cancel() }
}

func stuck(_ loop: EventLoop, for duration: Duration) -> Int {
    loop.currentWaits().filter { $0.reason == .semaphore && $0.since.duration(to: loop.now) > duration }.count
}
