// The parts of docs/guides/serving.md about the context, the errors, the limits and the numbers of a server.
import Leat

func introducing() throws -> HTTPServer {
    try HTTPServer.bind(to: .loopback(port: 0)) { request, body, context in
        var lines = "request \(context.requestID) from \(context.remoteAddress) to \(context.localAddress)\n"
        if let tls = context.tls {
            lines += "\(tls.version) for \(tls.serverName ?? "an address")\n"
            if let certificate = tls.clientCertificate { lines += "you are \(certificate.subject)\n" }
        }
        return HTTPServerResponse(body: .text(lines))
    }
}

func reporting() -> HTTPServer.Configuration {
    var configuration = HTTPServer.Configuration()
    configuration.onError = { error, request in
        print("\(request.method) \(request.uri.rawPath) failed:", error)
    }
    return configuration
}

func talkative() -> HTTPServer.Configuration {
    var configuration = HTTPServer.Configuration()
    configuration.observer = { event in
        switch event.kind {
        case .requestEnded(let status, _, let duration): print("request \(event.request ?? 0):", status, duration)
        case .requestRefused, .requestFailed, .requestCut, .shutdownBegan, .shutdownEnded: print(event)
        default: break
        }
    }
    return configuration
}

func count(_ server: HTTPServer) {
    let metrics = server.metrics
    print(metrics.requestsEnded, "answered,", metrics.requestsCut, "cut,", metrics.requestsRefused, "refused")
    print(metrics.requestsFailed, "errors")
    print(metrics.connectionsOpen, "connections,", metrics.connectionsIdle, "of them idle")
}

func bounded() -> HTTPServer.Configuration {
    var configuration = HTTPServer.Configuration()
    configuration.maximumConnections = 10_000
    configuration.maximumRequestBody = 1 << 20
    configuration.minimumBodyRate = 10_000
    configuration.shutdownGrace = .milliseconds(200)
    configuration.shutdownTimeout = .seconds(10)
    return configuration
}
