// The code of docs/guides/tls.md: `swift run doc-tls`. It makes its certificates with the openssl command.
import Leat

@main struct TLS: LoopProgram {
    func run() async throws {
        let files = Certificates()
        defer { files.remove() }
        let server = try secureServer(certificate: files.path("server.pem"), key: files.path("server.key"))
        let members = try serverForMembers(
            certificate: files.path("server.pem"),
            key: files.path("server.key"),
            ca: files.path("ca.pem")
        )
        let serving = [Task { try await server.run() }, Task { try await members.run() }]
        let client = trusting(ca: files.path("ca.pem"))
        let member = presenting(
            certificate: files.path("client.pem"),
            key: files.path("client.key"),
            ca: files.path("ca.pem")
        )
        print(try await client.get(url(server)).text)
        print(try await member.get(url(members)).text)
        await whyNot(HTTPClient(), url(server))
        await whyNot(client, url(server, host: "127.0.0.1"))
        await whyNot(trusting(ca: files.path("old.pem")), url(server))
        await whyNot(client, url(members))
        await whyNot(trusting(ca: "/etc/no-such-file.pem"), url(server))
        print(try await believingAnyone().get(url(server)).text)
        server.beginGracefulShutdown()
        members.beginGracefulShutdown()
        for task in serving { _ = try await task.value }
    }

    private func url(_ server: HTTPServer, host: String = "localhost") -> HTTPURL {
        HTTPURL("https://\(host):\(server.localAddress.port)/")!
    }
}

func trusting(ca: String) -> HTTPClient {
    var configuration = HTTPClient.Configuration()
    configuration.tls.trustRoots = .file(ca)
    return HTTPClient(configuration: configuration)
}

func presenting(certificate: String, key: String, ca: String) -> HTTPClient {
    var configuration = HTTPClient.Configuration()
    configuration.tls.certificateChainFile = certificate
    configuration.tls.privateKeyFile = key
    configuration.tls.trustRoots = .file(ca)
    configuration.tls.minimumVersion = .tls13
    return HTTPClient(configuration: configuration)
}

func secureServer(certificate: String, key: String) throws -> HTTPServer {
    var configuration = HTTPServer.Configuration()
    configuration.tls = TLSConfiguration(certificateChainFile: certificate, privateKeyFile: key)
    return try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { _, _ in
        HTTPServerResponse(body: .text("over TLS"))
    }
}

func serverForMembers(certificate: String, key: String, ca: String) throws -> HTTPServer {
    var tls = TLSConfiguration(certificateChainFile: certificate, privateKeyFile: key)
    tls.requiresClientCertificate = true
    tls.trustRoots = .file(ca)
    var configuration = HTTPServer.Configuration()
    configuration.tls = tls
    return try HTTPServer.bind(to: .loopback(port: 0), configuration: configuration) { _, _ in
        HTTPServerResponse(body: .text("for members"))
    }
}

func whyNot(_ client: HTTPClient, _ url: HTTPURL) async {
    do {
        print(try await client.get(url).status)
    } catch let error as HTTPError {
        switch (error.underlying as? TLSError)?.kind {
        case TLSError.Kind.untrusted: print("signed by nobody we trust")
        case TLSError.Kind.wrongHost: print("it is not", url.host)
        case TLSError.Kind.expired: print("out of date")
        case TLSError.Kind.protocolViolation: print("broken off by the other side")
        case TLSError.Kind.configuration: print("a file of ours is wrong")
        default: print(error)
        }
    } catch {
        print(error)
    }
}

func believingAnyone() -> HTTPClient {
    var configuration = HTTPClient.Configuration()
    configuration.tls.verification = .disabledForTestingOnly
    return HTTPClient(configuration: configuration)
}
