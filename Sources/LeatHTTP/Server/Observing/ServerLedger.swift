import LeatLoop
import LeatNet
import LeatReactor

/// What a server has done: the counters, and whoever watches. Confined to its loop.
final class ServerLedger {
    @exclusivity(unchecked) var metrics = HTTPServerMetrics()

    @inline(__always)
    func add(received: Int, sent: Int) {
        metrics.bytesReceived &+= received
        metrics.bytesSent &+= sent
    }

    /// Tells the observer, if there is one.
    func observe(
        _ configuration: HTTPServer.Configuration,
        _ loop: EventLoop,
        _ kind: HTTPServerEvent.Kind,
        connection: Int? = nil,
        request: Int? = nil
    ) {
        configuration.observer?(
            HTTPServerEvent(connection: connection, request: request, time: loop.clock.now, kind: kind)
        )
    }
}

// MARK: - Requests

extension HTTPServer {
    @inline(__always)
    func requestBegins(_ exchange: ServerExchange, _ request: borrowing HTTPRequest) {
        ledger.metrics.requestsStarted &+= 1
        exchange.requestNumber = ledger.metrics.requestsStarted
        if isObserved { observeBeginning(exchange, copy request) }
    }

    @inline(never)
    private func observeBeginning(_ exchange: ServerExchange, _ request: HTTPRequest) {
        exchange.requestBegan = loop.clock.now
        exchange.sentBefore = exchange.bytesSent + exchange.output.count
        exchange.reportsHead = true
        exchange.substitute = nil
        observe(.requestStarted(request), exchange)
    }

    /// The answer was handed over as a whole.
    @inline(__always)
    func requestEnds(_ exchange: ServerExchange, _ status: borrowing HTTPResponse.Status) {
        ledger.metrics.requestsEnded &+= 1
        if isObserved { observeEnd(exchange, copy status) }
    }

    @inline(never)
    private func observeEnd(_ exchange: ServerExchange, _ status: HTTPResponse.Status) {
        let bytes = exchange.bytesSent + exchange.output.count - exchange.sentBefore
        let status = exchange.substitute ?? status
        responseHeadWasSent(exchange, status)
        let duration = exchange.requestBegan.duration(to: loop.clock.now)
        observe(.requestEnded(status, bytes: bytes, duration: duration), exchange)
    }

    /// The head of a response was handed over.
    func responseHeadWasSent(_ exchange: ServerExchange, _ status: HTTPResponse.Status) {
        guard isObserved, exchange.reportsHead else { return }
        exchange.reportsHead = false
        observe(.responseHeadSent(status), exchange)
    }

    /// The answer could not be sent to its end.
    func requestWasCut(_ exchange: ServerExchange, _ error: any Error) {
        ledger.metrics.requestsCut += 1
        if isObserved { observe(.requestCut(error), exchange) }
    }

    /// The handler, or what it returned, has failed.
    func requestFailed(_ exchange: ServerExchange, _ request: HTTPRequest, _ error: any Error) {
        ledger.metrics.requestsFailed += 1
        if isObserved { observe(.requestFailed(error), exchange) }
        configuration.onError(error, request)
    }

    func requestWasRefused(_ exchange: ServerExchange, _ status: HTTPResponse.Status) {
        ledger.metrics.requestsRefused += 1
        if isObserved {
            ledger.observe(configuration, loop, .requestRefused(status), connection: exchange.peer.number)
        }
    }

    private func observe(_ kind: HTTPServerEvent.Kind, _ exchange: ServerExchange) {
        ledger.observe(
            configuration,
            loop,
            kind,
            connection: exchange.peer.number,
            request: exchange.requestNumber
        )
    }
}
