import LeatLoop
import LeatNet
import LeatReactor

/// One client of a server: reads requests, calls the handler, writes responses, until one side has had enough.
///
/// Confined to its loop, like the server that owns it.
final class ServerConnection: @unchecked Sendable {
    private let http: HTTPConnection
    /// Outlives its connections: it returns from ``HTTPServer/run()`` when the last has ended.
    private unowned(unsafe) let server: HTTPServer
    /// The task that runs ``serve()``; for cancelling.
    var task: Task<Void, Never>?
    /// Whether it waits for a request and none has begun.
    private var isIdle = true
    /// The request that is being answered. Here and not in the functions' frames, which would all hold copies of it.
    @exclusivity(unchecked) private var head: HTTPRequestHead!

    init(socket: Socket, tls: TLSChannel?, server: HTTPServer) {
        http = HTTPConnection(
            socket: socket,
            tls: tls,
            role: .request,
            limits: server.configuration.limits,
            spareOutputs: server.spareOutputs
        )
        self.server = server
    }

    private var loop: EventLoop { http.loop }

    // MARK: The end

    /// Ends the connection if no request is under way; otherwise its response will be the last.
    func endIfIdle() {
        // A client that does not take its response keeps the connection for its idle time. What has arrived, and the task
        // has not seen yet, may be a request.
        if isIdle, !http.socket.mayBeReadable, http.tryFlush() { http.close() }
    }

    func cancel() {
        task?.cancel()
        http.socket.cancelWaits()
    }

    // MARK: Serving

    /// The frames of this function and of ``nextRequest(isFirst:)`` are what an idle connection holds, so whatever needs
    /// room is done in functions of their own, kept from being inlined here.
    @inline(__always)
    func serve() async {
        defer { http.close() }
        do {
            if let tls = http.tls { try await shakeHands(tls) }
            var isFirst = true
            while try await nextRequest(isFirst: isFirst) {
                isFirst = false
                isIdle = false
                guard try await answer() else { return }
                isIdle = !http.hasUnparsedBytes
            }
            try await http.flush(timeout: server.writeTimeout)
        } catch let error as HTTPParseError {
            await refuse(error.suggestedStatus)
        } catch {
            // The client is gone, too slow, or the server is ending: there is nobody to tell.
        }
    }

    @inline(never)
    private func shakeHands(_ tls: TLSChannel) async throws {
        try await tls.handshake(until: loop.now.advanced(nanoseconds: server.headTimeout))
    }

    /// Waits until the parser has the head of the next request. Returns false if the client has closed the connection
    /// instead, or left it unused for too long, or the server is ending.
    @inline(never)
    private func nextRequest(isFirst: Bool) async throws -> Bool {
        var deadline = loop.now.advanced(nanoseconds: isFirst ? server.headTimeout : server.idleTimeout)
        while !(try takeHead()) {
            // All that was received is answered: one system call for the responses to all of it.
            if !http.output.isEmpty { http.flushLater() }
            let wasIdle = becomeIdle()
            if wasIdle, server.isShuttingDown { return false }
            do {
                guard try await http.fill(deadline: deadline) else { return false }
            } catch let error as NetworkError where error.kind == .timedOut {
                if !http.isBetweenMessages { await refuse(.requestTimeout) }
                return false
            }
            // The clock of the head begins with its first byte.
            if wasIdle, !isFirst { deadline = loop.now.advanced(nanoseconds: server.headTimeout) }
            isIdle = false
        }
        return true
    }

    @inline(never)
    private func takeHead() throws -> Bool {
        guard case .head = try http.tryNext() else { return false }
        head = http.parser.takeRequestHead()
        return true
    }

    @inline(never)
    private func becomeIdle() -> Bool {
        isIdle = http.isBetweenMessages
        return isIdle
    }

    /// Responses are sent once this much has gathered.
    private static var flushSize: Int { 65536 }
    /// A rest of a request body up to this size is dropped, so that the connection can go on.
    private static var discardLimit: Int { 262_144 }
    /// So much is dropped of what arrives after the last response.
    private static var lingerLimit: Int { 4 << 20 }

    // MARK: One request

    /// Answers the request. Returns whether the connection may serve another.
    @inline(never)
    private func answer() async throws -> Bool {
        defer { head = nil }
        http.prepareOutput()
        guard announcesAcceptableBody else {
            await refuse(.contentTooLarge)
            return false
        }
        let body = reader()
        return try await conclude(await respond(body), body)
    }

    /// Sends the response; if the connection goes on, together with those to the requests that have arrived behind this one.
    @inline(never)
    private func conclude(_ response: HTTPServerResponse, _ body: HTTPBodyReader) async throws -> Bool {
        let mayGoOn = head.keepAlive && !server.isShuttingDown
        let limit = http.bytesReceived &+ Self.discardLimit
        guard body.discardReceived() || mayGoOn && discardArrived(body, limit) else {
            return try await concludeEarly(response, body, limit, mayGoOn)
        }
        body.invalidate()
        let keepAlive = try await write(response, keepAlive: mayGoOn)
        if keepAlive, http.output.count < Self.flushSize { return true }
        try await http.flush(timeout: server.writeTimeout)
        if !keepAlive { await linger() }
        return keepAlive
    }

    /// Sends the response to a request whose body is still to come, and then gets that out of the way of the next request. The
    /// client may not send on before it has the response, or not read the response before it has sent all.
    @inline(never)
    private func concludeEarly(
        _ response: HTTPServerResponse,
        _ body: HTTPBodyReader,
        _ limit: Int,
        _ mayGoOn: Bool
    ) async throws -> Bool {
        var keepAlive = mayGoOn && http.bytesReceived < limit && body.canBeDiscarded(upTo: Self.discardLimit)
        // Another protocol begins where the body ends.
        if keepAlive, head.offersUpgrade, response.status == .switchingProtocols {
            keepAlive = await discardRest(limit)
        }
        body.invalidate()
        if keepAlive {
            // It never does stop it, but takes the rest in while the response goes out.
            http.inputStopsSending = { [unowned self] in
                _ = try? http.discardArrived(until: limit)
                return false
            }
        }
        defer { http.inputStopsSending = nil }
        keepAlive = try await write(response, keepAlive: keepAlive)
        try await http.flush(timeout: server.writeTimeout)
        if keepAlive, await discardRest(limit) { return true }
        // Closing wakes a task that the handler has left behind.
        if !body.isBeingRead { await linger() }
        return false
    }

    /// Drops the rest of a request body if it has arrived.
    @inline(never)
    private func discardArrived(_ body: HTTPBodyReader, _ limit: Int) -> Bool {
        body.canBeDiscarded(upTo: Self.discardLimit) && (try? http.discardArrived(until: limit)) == true
    }

    /// Waits for the rest of a request body, and drops it. Returns whether it ended in time, and within the limit.
    @inline(never)
    private func discardRest(_ limit: Int) async -> Bool {
        let deadline = loop.now.advanced(nanoseconds: server.bodyTimeout)
        return (try? await http.discardRest(until: limit, deadline: deadline)) == true
    }

    private var announcesAcceptableBody: Bool {
        if case .length(let length) = head.framing { length <= server.configuration.maximumRequestBody } else { true }
    }

    @inline(never)
    private func reader() -> HTTPBodyReader {
        if head.framing == .none || head.framing == .length(0) {
            // Nothing to read; the parser still has to be told so.
            _ = try? http.tryNext()
            return .empty
        }
        return HTTPBodyReader(
            http,
            times: ExchangeTimes(began: loop.now, readTimeout: server.bodyTimeout),
            maximum: server.configuration.maximumRequestBody,
            awaitsContinue: head.expectsContinue && !http.hasUnparsedBytes
        )
    }

    @inline(never)
    private func respond(_ body: HTTPBodyReader) async -> HTTPServerResponse {
        do {
            return try await server.handler(head.request, body)
        } catch let error as HTTPError where error.kind == .bodyTooLarge {
            return HTTPServerResponse(status: .contentTooLarge)
        } catch let error as HTTPError where error.kind == .malformed || error.kind == .incomplete {
            return HTTPServerResponse(status: .badRequest)
        } catch {
            return HTTPServerResponse(status: .internalServerError)
        }
    }

    // MARK: The response

    /// Writes a response into the output, or streams it. Returns false if the connection must end after it.
    @inline(never)
    private func write(_ response: HTTPServerResponse, keepAlive: Bool) async throws -> Bool {
        let framing = framing(of: response)
        if framing == .none, response.status.code < 200 { return try await switchProtocols(response, keepAlive) }
        let keepAlive = keepAlive && framing != .untilClose
        do throws(HTTPEncodingError) {
            try appendHead(response, framing: framing, keepAlive: keepAlive)
        } catch {
            // The handler's response cannot be sent as it is, and nothing of it has been.
            return try await write(HTTPServerResponse(status: .internalServerError), keepAlive: keepAlive)
        }
        guard head.request.method != .head, framing != .none else { return keepAlive }
        switch response.body.content {
        case .none:
            break
        case .bytes(let bytes) where bytes.count <= Self.flushSize:
            http.output.append(contentsOf: bytes)
        case .bytes(let bytes):
            try await http.send(bytes, timeout: server.writeTimeout)
        case .stream(let produce):
            let times = ExchangeTimes(began: loop.now, readTimeout: server.writeTimeout)
            let writer = HTTPBodyWriter(http, framing: framing, times)
            defer { writer.invalidate() }
            do {
                try await produce(writer)
                try await writer.finish()
            } catch {
                // Of a body that ends with its connection, nothing else would say that this is not its end.
                if framing == .untilClose { http.abort() }
                throw error
            }
        }
        return keepAlive
    }

    private func framing(of response: HTTPServerResponse) -> HTTPBodyFraming {
        // These never have a body, nor fields that describe one (RFC 9110 §6.4.1, §8.6).
        let code = response.status.code
        if code == 204 || code == 304 || (100..<200).contains(code) { return .none }
        if let length = response.body.length { return .length(length) }
        return head.version == .http11 ? .chunked : .untilClose
    }

    private func appendHead(
        _ response: HTTPServerResponse,
        framing: HTTPBodyFraming,
        keepAlive: Bool
    ) throws(HTTPEncodingError) {
        let connection: HTTPConnectionOption =
            if !keepAlive { .close } else if head.version == .http10 { .keepAlive } else { .unstated }
        try HTTPEncoder.appendResponseHead(
            HTTPResponse(status: response.status, headerFields: response.headerFields),
            framing: framing,
            connection: connection,
            additionalLines: response.headerFields.contains(.date) ? [] : server.date.line(now: loop.now),
            to: &http.output
        )
    }

    /// Switches to the protocol of the response, and returns false when that has ended. An upgrade that cannot be is answered
    /// instead, with 426 if the client did not ask for it (RFC 9110 §15.5.22), and with 503 if the server is ending. The other
    /// 1xx are no answer.
    @inline(never)
    private func switchProtocols(_ response: HTTPServerResponse, _ keepAlive: Bool) async throws -> Bool {
        guard response.status == .switchingProtocols, case .stream(let producer) = response.body.content,
            let takeOver = producer.takeOver, let name = response.headerFields[.upgrade]
        else { return try await write(HTTPServerResponse(status: .internalServerError), keepAlive: keepAlive) }
        guard head.offersUpgrade, head.request.headerFields.offersUpgrade(to: name) else {
            var refusal = HTTPServerResponse(status: .upgradeRequired)
            refusal.headerFields.setUpgrade(name)
            return try await write(refusal, keepAlive: keepAlive)
        }
        if server.isShuttingDown {
            return try await write(HTTPServerResponse(status: .serviceUnavailable), keepAlive: false)
        }
        // A request body that is still to come could not be told from the new protocol.
        guard http.parser.phase == .startLine else {
            return try await write(HTTPServerResponse(status: .internalServerError), keepAlive: false)
        }
        do throws(HTTPEncodingError) {
            try HTTPEncoder.appendResponseHead(
                HTTPResponse(status: response.status, headerFields: response.headerFields),
                framing: .none,
                to: &http.output
            )
        } catch {
            return try await write(HTTPServerResponse(status: .internalServerError), keepAlive: keepAlive)
        }
        try await http.flush(timeout: server.writeTimeout)
        let stream = HTTPUpgradedStream(http, writeTimeout: server.writeTimeout)
        defer { stream.invalidate() }
        try await takeOver(stream)
        return false
    }

    /// Answers what is not a request, and ends the connection.
    @inline(never)
    private func refuse(_ status: HTTPResponse.Status) async {
        try? HTTPEncoder.appendResponseHead(
            HTTPResponse(status: status),
            framing: .length(0),
            connection: .close,
            additionalLines: server.date.line(now: loop.now),
            to: &http.output
        )
        try? await http.flush(timeout: server.writeTimeout)
        await linger()
    }

    /// Closes in a way that lets the client read the last response: closing with unread bytes in the buffer would reset
    /// the connection, and the response with it (RFC 9112 §9.6).
    @inline(never)
    private func linger() async {
        http.finishWriting()
        let deadline = loop.now.advanced(by: .seconds(1))
        let limit = http.bytesReceived &+ Self.lingerLimit
        while http.bytesReceived < limit, (try? await http.fill(deadline: deadline)) == true { http.discardUnparsed() }
    }
}
