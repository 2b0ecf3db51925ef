import Leat
import LeatHTTP
import LeatLoop
import LeatNet
import LeatReactor
import Testing

@Suite(.timeLimit(.minutes(5)))
struct RedirectTests {
    // MARK: References

    /// The examples of RFC 3986 §5.4, with `http` for the scheme, whose fragments are dropped.
    @Test(arguments: [
        ("g", "/b/c/g"), ("./g", "/b/c/g"), ("g/", "/b/c/g/"), ("/g", "/g"), ("?y", "/b/c/d;p?y"), ("g?y", "/b/c/g?y"),
        ("#s", "/b/c/d;p?q"), ("g#s", "/b/c/g"), ("g?y#s", "/b/c/g?y"), (";x", "/b/c/;x"), ("g;x", "/b/c/g;x"),
        ("", "/b/c/d;p?q"), (".", "/b/c/"), ("./", "/b/c/"), ("..", "/b/"), ("../", "/b/"), ("../g", "/b/g"),
        ("../..", "/"), ("../../", "/"), ("../../g", "/g"), ("../../../g", "/g"), ("../../../../g", "/g"),
        ("/./g", "/g"), ("/../g", "/g"), ("g.", "/b/c/g."), (".g", "/b/c/.g"), ("g..", "/b/c/g.."), ("..g", "/b/c/..g"),
        ("./../g", "/b/g"), ("./g/.", "/b/c/g/"), ("g/./h", "/b/c/g/h"), ("g/../h", "/b/c/h"),
        ("g;x=1/./y", "/b/c/g;x=1/y"), ("g;x=1/../y", "/b/c/y"), ("g?y/./x", "/b/c/g?y/./x"),
        ("g?y/../x", "/b/c/g?y/../x"), ("http://a/b/../g?x/../y", "/g?x/../y"), ("g:h/../i?j", nil),
    ])
    func aReferenceIsResolvedAsTheStandardSays(reference: String, expected: String?) throws {
        let base: HTTPURL = "http://a/b/c/d;p?q"
        let resolved = try? base.resolving(reference)
        #expect(resolved?.description == expected.map { "http://a" + $0 })
    }

    @Test func aReferenceCanNameAnotherHost() throws {
        let base: HTTPURL = "https://a:8443/b"
        #expect(try base.resolving("//c:1/d/../e").description == "https://c:1/e")
        #expect(try base.resolving("http://c").description == "http://c/")
        #expect(throws: HTTPURL.ParseError.self) { try base.resolving("ftp://c/") }
        #expect(throws: HTTPURL.ParseError.self) { try base.resolving("//user@c/") }
        #expect(throws: HTTPURL.ParseError.self) { try base.resolving("/a b") }
        #expect(throws: HTTPURL.ParseError.self) { try base.resolving("/a\r\nX: y") }
    }

    // MARK: Following

    private func redirect(_ code: Int, _ location: String) -> String {
        "HTTP/1.1 \(code) Moved\r\nLocation: \(location)\r\nContent-Length: 4\r\n\r\nmove"
    }

    @Test(arguments: [
        (301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (307, "POST", "POST"), (308, "POST", "POST"),
        (301, "PUT", "PUT"), (302, "DELETE", "DELETE"), (303, "PUT", "GET"), (303, "HEAD", "HEAD"),
        (302, "HEAD", "HEAD"),
    ])
    func theMethodChangesAsItShould(code: Int, method: String, expected: String) throws {
        try runHTTPLoop {
            let length = method == "HEAD" ? "HTTP/1.1 \(code) X\r\nLocation: /next\r\n\r\n" : redirect(code, "/next")
            let server = try ScriptedServer([[length, expected == "HEAD" ? "HTTP/1.1 200 OK\r\n\r\n" : ok]])
            let response = try await HTTPClient().request(
                HTTPRequest.Method(method)!,
                server.url,
                headerFields: [.contentType: "text/plain", .accept: "x/y"],
                body: method == "HEAD" ? .none : .text("body")
            )
            #expect(response.status == .ok && response.url.path == "/next")
            #expect(response.history == [HTTPRedirect(url: server.url, status: HTTPResponse.Status(code: code))])
            let second = server.requests[0][1]
            #expect(second.hasPrefix("\(expected) /next HTTP/1.1\r\n"))
            #expect(second.contains("Accept: x/y\r\n"))
            #expect(second.contains("Content-Type") == (expected != "GET"))
            #expect(second.hasSuffix("\r\n\r\nbody") == (expected != "GET" && expected != "HEAD"))
        }
    }

    /// The client's own credentials and the request's go to the origin they were meant for, and nowhere else; not even back
    /// to it by way of another.
    @Test func credentialsStayWhereTheyBelong() throws {
        try runHTTPLoop {
            let other = try ScriptedServer([[ok]])
            let back = try TCPListener.bind(to: .loopback(port: 0))
            let first = try ScriptedServer([[redirect(302, "\(other.url)")], [ok]])
            back.close()
            var configuration = HTTPClient.Configuration()
            configuration.defaultHeaderFields = [.cookie: "default=1", .acceptLanguage: "en"]
            let client = HTTPClient(configuration: configuration)
            _ = try await client.get(first.url, headerFields: [.authorization: "Bearer x", .referer: "r"])
            #expect(first.requests[0][0].contains("Authorization: Bearer x\r\n"))
            #expect(first.requests[0][0].contains("Cookie: default=1\r\n"))
            let foreign = other.requests[0][0]
            #expect(!foreign.contains("Bearer") && !foreign.contains("Cookie"))
            #expect(foreign.contains("Accept-Language: en\r\n") && foreign.contains("Referer: r\r\n"))
            #expect(foreign.contains("Host: \(other.listener.localAddress)\r\n"))
        }
    }

    @Test func credentialsDoNotComeBackWithALaterRedirect() throws {
        try runHTTPLoop {
            let listener = try TCPListener.bind(to: .loopback(port: 0))
            let home = "http://\(listener.localAddress)"
            let other = try ScriptedServer([[redirect(302, home + "/end")]])
            var heads: [String] = []
            let serving = onLoop {
                var heads: [String] = []
                let stream = try await listener.accept()
                for answer in [redirect(302, "\(other.url)"), ok] {
                    heads.append(String(decoding: try await stream.read() ?? [], as: UTF8.self))
                    try await stream.write(answer)
                }
                return heads
            }
            var configuration = HTTPClient.Configuration()
            configuration.defaultHeaderFields = [.cookie: "default=1"]
            let client = HTTPClient(configuration: configuration)
            let response = try await client.get(HTTPURL(home + "/start")!, headerFields: [.authorization: "Bearer x"])
            heads = try await serving.value
            #expect(response.url.path == "/end" && response.history.count == 2)
            #expect(heads[0].contains("Bearer") && heads[0].contains("default=1"))
            #expect(!heads[1].contains("Bearer") && !heads[1].contains("default=1"))
        }
    }

    @Test func redirectsAreBoundedAndLoopsAreNoticed() throws {
        try runHTTPLoop {
            let loop = try ScriptedServer([[redirect(302, "/a"), redirect(302, "/b"), redirect(302, "/a")]])
            let looping = await #expect(throws: HTTPError.self) { _ = try await HTTPClient().get(loop.url) }
            #expect(looping?.kind == .redirect && looping?.message.contains("lead back") == true)
            let long = try ScriptedServer([(0..<20).map { redirect(302, "/\($0)") }])
            let endless = await #expect(throws: HTTPError.self) { _ = try await HTTPClient().get(long.url) }
            #expect(endless?.kind == .redirect && long.requests[0].count == 11)
            var configuration = HTTPClient.Configuration()
            configuration.redirects = .none
            let none = try ScriptedServer([[redirect(302, "/a")]])
            let response = try await HTTPClient(configuration: configuration).get(none.url)
            #expect(response.status.code == 302 && response.text == "move" && response.history.isEmpty)
        }
    }

    @Test func whatCannotBeFollowedIsAnErrorAndWhatNamesNoPlaceIsAResponse() throws {
        try runHTTPLoop {
            for location in ["gopher://x/", "http://", "/a\u{1}b", "https://user@h/"] {
                let server = try ScriptedServer([[redirect(301, location)]])
                let error = await #expect(throws: HTTPError.self) { _ = try await HTTPClient().get(server.url) }
                #expect(error?.kind == .redirect || error?.kind == .malformed, "\(location)")
            }
            let twice = "HTTP/1.1 301 X\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
            let server = try ScriptedServer([[twice], ["HTTP/1.1 301 X\r\nContent-Length: 0\r\n\r\n"]])
            let client = HTTPClient()
            let error = await #expect(throws: HTTPError.self) { _ = try await client.get(server.url) }
            #expect(error?.kind == .redirect)
            await client.shutdown()
            let response = try await HTTPClient().get(server.url)
            #expect(response.status.code == 301)
        }
    }

    @Test func aStreamedBodyCannotBeSentAgain() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[redirect(307, "/next"), ok]])
            let error = await #expect(throws: HTTPError.self) {
                _ = try await HTTPClient().post(server.url, body: .stream { try await $0.write("x") })
            }
            #expect(error?.kind == .redirect)
        }
    }

    @Test func aStreamedResponseIsThatOfTheLastPlace() throws {
        try runHTTPLoop {
            let server = try ScriptedServer([[redirect(302, "/next"), ok]])
            let request = HTTPClientRequest(.get, server.url)
            let text = try await HTTPClient().perform(request) { response, body in
                #expect(response.status == .ok)
                return try await body.text(upTo: 100)
            }
            #expect(text == "ok" && server.requests[0].count == 2)
        }
    }

    @Test func theTotalTimeoutIsForAllRedirectsTogether() throws {
        try runHTTPLoop {
            let server = try HTTPServer.bind(to: .loopback(port: 0)) { request, _ in
                try await sleep(for: .seconds(1))
                return HTTPServerResponse(status: .found, headerFields: [.location: request.path! + "x"])
            }
            onLoop { try await server.run() }
            var configuration = HTTPClient.Configuration()
            configuration.totalTimeout = .milliseconds(3500)
            let client = HTTPClient(configuration: configuration)
            let url = HTTPURL("http://\(server.localAddress)/")!
            let error = await #expect(throws: HTTPError.self) { _ = try await client.get(url) }
            #expect(error?.phase == .total && error!.elapsed! < .seconds(4))
        }
    }
}
