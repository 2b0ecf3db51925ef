import Glibc
import LeatLoop
import LeatNet
import LeatReactor

/// Answers that take waiting: streams, large bodies, requests that have not been received to their end, upgrades.
extension ServerExchange {
    /// A rest of a request body up to this size is dropped, so that the connection can go on.
    private static var discardLimit: Int { 262_144 }

    /// Sends the answer to a request. Afterwards the connection can go on, or ``endsAfterFlush`` is set. Returns whether the
    /// answer was sent as a whole.
    @inline(never)
    func answerWaiting(_ request: HTTPRequest, _ response: HTTPServerResponse, _ body: HTTPBodyReader) async -> Bool {
        server.peers.becomeActive(peer)
        mayHaveWaited = true
        do {
            let keepsAlive = try await send(response, to: request, body)
            if body.isBeingRead { isInUse = true }
            conclude(keepsAlive: keepsAlive)
            return true
        } catch {
            if body.isBeingRead { isInUse = true }
            body.invalidate()
            responseFailed(error, response)
            return false
        }
    }

    /// The response could not be sent to its end. What the client has of it must not look like a whole one.
    private func responseFailed(_ error: any Error, _ response: HTTPServerResponse) {
        server.requestWasCut(self, error)
        end(.failed(error))
        guard !peer.isClosed else { return }
        if isCutOff || sendError != 0 || framing(of: response) == .untilClose {
            // Of a body that ends with its connection, nothing else would say that this is not its end.
            output.removeAll()
            sendError = Int(EPIPE)
            socket.discardUnsentOnClose()
        } else {
            flushLater()
        }
    }

    /// Whether it is the connection that failed, or the task was cancelled, and not the handler.
    private func isOfConnection(_ error: any Error) -> Bool {
        if error is CancellationError { return true }
        guard let error = error as? HTTPError, !error.isUpstream else { return false }
        let kind = error.kind
        return kind == .connection || kind == .timeout || kind == .incomplete || kind == .tls
    }

    /// Sends a response, and gets what is left of the request out of the way. Returns whether the connection can go on.
    private func send(
        _ response: HTTPServerResponse,
        to request: HTTPRequest,
        _ body: HTTPBodyReader
    ) async throws -> Bool {
        let mayGoOn = mayGoOn(after: response)
        let limit = bytesReceived &+ Self.discardLimit
        guard body.discardReceived() || mayGoOn && discardArrived(body, limit) else {
            return try await sendEarly(response, to: request, body, limit, mayGoOn)
        }
        body.invalidate()
        return try await write(response, to: request, keepsAlive: mayGoOn)
    }

    /// Sends the response to a request whose body is still to come, and then gets that out of the way of the next request. The
    /// client may not send on before it has the response, or not read the response before it has sent all.
    private func sendEarly(
        _ response: HTTPServerResponse,
        to request: HTTPRequest,
        _ body: HTTPBodyReader,
        _ limit: Int,
        _ mayGoOn: Bool
    ) async throws -> Bool {
        var keepsAlive = mayGoOn && bytesReceived < limit && body.canBeDiscarded(upTo: Self.discardLimit)
        // Another protocol begins where the body ends.
        if keepsAlive, facts.offersUpgrade, response.status == .switchingProtocols {
            keepsAlive = await discardRest(limit)
        }
        body.invalidate()
        if keepsAlive {
            // It never does stop the sending, but takes the rest in while the response goes out.
            inputStopsSending = { [unowned self] in
                _ = try? discardArrived(until: limit)
                return false
            }
        }
        defer { inputStopsSending = nil }
        keepsAlive = try await write(response, to: request, keepsAlive: keepsAlive)
        try await flush(timeout: server.writeTimeout)
        return keepsAlive ? await discardRest(limit) : false
    }

    /// Drops the rest of a request body if it has arrived.
    private func discardArrived(_ body: HTTPBodyReader, _ limit: Int) -> Bool {
        body.canBeDiscarded(upTo: Self.discardLimit) && (try? discardArrived(until: limit)) == true
    }

    /// Waits for the rest of a request body, and drops it. Returns whether it ended in time, and within the limit.
    private func discardRest(_ limit: Int) async -> Bool {
        let deadline = loop.clock.now.advanced(nanoseconds: server.bodyTimeout)
        return (try? await discardRest(until: limit, deadline: deadline)) == true
    }

    // MARK: The response

    /// Buffers a response, or streams it. Returns false if the connection must end after it.
    private func write(
        _ response: HTTPServerResponse,
        to request: HTTPRequest,
        keepsAlive: Bool
    ) async throws -> Bool {
        let framing = framing(of: response)
        if framing == .none, response.status.code < 200 {
            return try await switchProtocols(response, request, keepsAlive: keepsAlive)
        }
        let keepsAlive = keepsAlive && framing != .untilClose
        guard appendHead(response, to: request, framing, keepsAlive: keepsAlive) else { return keepsAlive }
        server.responseHeadWasSent(self, response.status)
        guard !facts.isHead, framing != .none else { return keepsAlive }
        switch response.body.content {
        case .none: break
        case .bytes(let bytes): try await sendPiece(bytes, timeout: server.writeTimeout, deadline: .distantFuture)
        case .stream(let produce): try await stream(produce, framing, request)
        }
        return keepsAlive
    }

    private func stream(
        _ produce: HTTPBody.Producer,
        _ framing: HTTPBodyFraming,
        _ request: HTTPRequest
    ) async throws {
        // The head does not wait for the first piece.
        flushLater()
        let times = ExchangeTimes(began: loop.clock.now, readTimeout: server.writeTimeout)
        let writer = HTTPBodyWriter(self, framing: framing, times)
        defer {
            if writer.isBeingWritten { isInUse = true }
            writer.invalidate()
        }
        do {
            try await produce(writer)
            try writer.finish()
        } catch {
            // What its writer has told it is the client's doing, or the end of the server.
            if !writer.hasFailed, !(error is CancellationError) { server.requestFailed(self, request, error) }
            throw error
        }
    }

    /// Switches to the protocol of the response, and returns false when that has ended. An upgrade that cannot be is answered
    /// instead, with 426 if the client did not ask for it (RFC 9110 §15.5.22), and with 503 if the server is ending. The other
    /// 1xx are no answer.
    private func switchProtocols(
        _ response: HTTPServerResponse,
        _ request: HTTPRequest,
        keepsAlive: Bool
    ) async throws -> Bool {
        func answer(
            _ status: HTTPResponse.Status,
            _ fields: HTTPFields = HTTPFields(),
            keepsAlive: Bool
        ) -> Bool {
            appendEmpty(status, headerFields: fields, keepsAlive: keepsAlive)
            return keepsAlive
        }
        guard response.status == .switchingProtocols, case .stream(let producer) = response.body.content,
            let takeOver = producer.takeOver, let name = response.headerFields[.upgrade]
        else { return answer(.internalServerError, keepsAlive: keepsAlive) }
        guard facts.offersUpgrade, request.headerFields.offersUpgrade(to: name) else {
            var fields = HTTPFields()
            fields.setUpgrade(name)
            return answer(.upgradeRequired, fields, keepsAlive: keepsAlive)
        }
        if server.isShuttingDown { return answer(.serviceUnavailable, keepsAlive: false) }
        // A request body that is still to come could not be told from the new protocol.
        guard parser.phase == .startLine else { return answer(.internalServerError, keepsAlive: false) }
        do throws(HTTPEncodingError) {
            try HTTPEncoder.appendResponseHead(
                HTTPResponse(status: response.status, headerFields: response.headerFields),
                framing: .none,
                to: &output
            )
        } catch {
            server.requestFailed(self, request, error)
            return answer(.internalServerError, keepsAlive: keepsAlive)
        }
        try await flush(timeout: server.writeTimeout)
        end(.upgradeEnded)
        let stream = HTTPUpgradedStream(self, writeTimeout: server.writeTimeout)
        defer {
            if stream.isBusy { isInUse = true }
            stream.invalidate()
        }
        do {
            try await takeOver(stream)
        } catch {
            if !isOfConnection(error) { server.requestFailed(self, request, error) }
            throw error
        }
        return false
    }
}
