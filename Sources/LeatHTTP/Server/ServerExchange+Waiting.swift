import Glibc
import LeatLoop
import LeatNet
import LeatReactor

/// Answers that may have to wait: streams, large bodies, upgrades, and answers to requests of which a part is still to come.
extension ServerExchange {
    /// If a handler leaves no more than this of a request body, the rest is dropped, and the connection goes on.
    private static var discardLimit: Int { 262_144 }

    /// Sends the answer to a request. Sets ``endsAfterFlush`` if the connection cannot go on afterwards. Returns whether the
    /// whole answer was handed over.
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
            // Such a body ends with its connection. Only a reset tells the client that this is not its end.
            output.removeAll()
            sendError = Int(EPIPE)
            socket.discardUnsentOnClose()
        } else {
            flushLater()
        }
    }

    /// Whether the connection has failed, or the task was cancelled. Otherwise the error is the handler's own.
    private func isOfConnection(_ error: any Error) -> Bool {
        if error is CancellationError { return true }
        guard let error = error as? HTTPError, !error.isUpstream else { return false }
        let kind = error.kind
        return kind == .connection || kind == .timeout || kind == .incomplete || kind == .tls
    }

    /// Sends a response, and drops what is left of the request. Returns whether the connection can go on.
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

    /// Sends the response to a request whose body is still to come, and drops that body. It does both at once: one client sends
    /// on only when it has the response, and another reads the response only when it has sent everything.
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
            // It never stops the sending. It is called while the response goes out, and drops what has come.
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
        isStreamingUntilClose = framing == .untilClose
        let times = ExchangeTimes(began: loop.clock.now, readTimeout: server.writeTimeout)
        let writer = HTTPBodyWriter(self, framing: framing, times)
        defer {
            if writer.isBeingWritten { isInUse = true }
            writer.invalidate()
        }
        do {
            try await produce(writer)
            try writer.finish()
            isStreamingUntilClose = false
        } catch {
            // An error that its writer has thrown is the client's doing. A cancellation is the end of the server.
            if !writer.hasFailed, !(error is CancellationError) { server.requestFailed(self, request, error) }
            throw error
        }
    }

    /// Switches to the protocol of the response, and returns false when that has ended. If the client did not ask for the
    /// protocol, the answer is 426 instead (RFC 9110 §15.5.22), and if the server is ending, 503. A response with another 1xx
    /// status cannot be sent: the answer is 500.
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
        // Nobody could tell a request body that is still to come from the new protocol.
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
        server.responseHeadWasSent(self, response.status)
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
