import CLinux
import LeatLoop
import LeatNet
import LeatReactor

/// One of a server's tasks: it takes peers that have something to read, and runs the handler for each of their requests.
///
/// Everything that needs no waiting happens in plain functions (``step()``). The frame of the task holds a request and its
/// response, and nothing else.
final class ServerRunner: @unchecked Sendable {
    private let server: HTTPServer
    private let runners: ServerRunners
    private let peers: ServerPeers
    private let exchanges: ExchangePool
    private let scanner: RequestScanner
    private let loop: EventLoop
    /// Where it rests.
    let spot: ParkingSpot
    /// Its task, until that ends.
    @exclusivity(unchecked) var task: Task<Void, Never>? {
        didSet { taskAddress = task.map { unsafeBitCast($0, to: UnsafeMutableRawPointer.self) } }
    }
    /// The address of ``task``, for asking whether it is cancelled without retaining it.
    @exclusivity(unchecked) private var taskAddress: UnsafeMutableRawPointer?
    /// The exchange that it serves. The exchange's peer is busy.
    @exclusivity(unchecked) private var exchange: Unmanaged<ServerExchange>?
    /// How many requests it has served there in a row.
    @exclusivity(unchecked) private var served = 0

    /// How many requests of one peer are served before others have their turn.
    private static var mostInARow: Int { 32 }

    init(_ server: HTTPServer) {
        self.server = server
        runners = server.runners
        peers = server.peers
        exchanges = server.exchanges
        scanner = server.scanner
        loop = server.loop
        spot = ParkingSpot(loop: server.loop)
    }

    /// The server's handler. If it wants the context of its request, it gets that here.
    private var handler: HTTPServer.Handler {
        switch server.handler {
        case .plain(let handler): handler
        case .contextual(let handler): { [self] request, body in try await handler(request, body, context) }
        }
    }

    /// Serves until it is not needed any more.
    @concurrent func run() async {
        let (handler, empty) = (handler, HTTPBodyReader.empty)
        repeat {
            runners.began()
            serving: while true {
                switch step() {
                case .request:
                    let request = takeRequest()
                    do {
                        let response = try await handler(request, empty)
                        if answer(request, response, empty) { continue serving }
                        await answerWaiting(request, response, empty)
                    } catch {
                        await answer(request, to: error, empty)
                    }
                case .upload:
                    await serveUpload(takeRequest(), makeReader(), handler)
                case .pause:
                    await Task.yield()
                case .nothing:
                    break serving
                }
            }
        } while await rest()
        runners.ended(self)
    }

    /// A request with a body.
    private func serveUpload(
        _ request: HTTPRequest,
        _ body: HTTPBodyReader,
        _ handler: HTTPServer.Handler
    ) async {
        do {
            let response = try await handler(request, body)
            if !answer(request, response, body) { await answerWaiting(request, response, body) }
        } catch {
            await answer(request, to: error, body)
        }
    }

    /// Answers a request whose handler has thrown an error.
    @inline(never)
    private func answer(_ request: HTTPRequest, to error: any Error, _ body: HTTPBodyReader) async {
        let failure = HandlerFailure(error, requestBodyFailed: body.hasFailed)
        if failure.isServerFault { server.requestFailed(current.takeUnretainedValue(), request, error) }
        if !answer(request, failure.response, body) { await answerWaiting(request, failure.response, body) }
    }

    /// As `Task.isCancelled`, which would have to look up the task first. A `Task` is one reference; it is alive while it runs.
    @inline(__always)
    private var isCancelled: Bool { clinux_task_is_cancelled(taskAddress.unsafelyUnwrapped) }

    private func rest() async -> Bool {
        guard !isCancelled, runners.rest(spot) else { return false }
        return await spot.park(.request) == .ready
    }

    // MARK: Without waiting

    private enum Step {
        /// A request without a body is there; see ``takeRequest()``.
        case request
        /// A request with a body is there.
        case upload
        /// The turn or the job has no budget left.
        case pause
        /// No peer has anything to read.
        case nothing
    }

    /// Goes on to the next request, of this peer or of another.
    @inline(never)
    private func step() -> Step {
        if !loop.spendBudget() { return .pause }
        while true {
            guard let exchange else {
                // A handler may have cancelled this task. The next handler must not inherit that.
                guard !isCancelled, let peer = runners.next() else { return .nothing }
                if !begin(peer), !loop.spendBudget() { return .pause }
                continue
            }
            let hasRequest = exchange._withUnsafeGuaranteedRef { exchange in
                if served >= Self.mostInARow, giveWay(exchange) { return false }
                if case .request = exchange.advance(scanner) { return true }
                letGo(exchange)
                return false
            }
            if hasRequest {
                served &+= 1
                return current._withUnsafeGuaranteedRef { $0.facts.hasBody } ? .upload : .request
            }
        }
    }

    /// Begins to serve a peer. Returns false if no request is to be expected of it.
    @inline(__always)
    private func begin(_ reference: Unmanaged<ServerPeer>) -> Bool {
        reference._withUnsafeGuaranteedRef { peer in
            guard !peer.isClosed, peer.phase == .open else {
                beginSpecial(peer)
                return false
            }
            peer.isBusy = true
            served = 0
            exchange = exchanges.attach(to: peer)
            return true
        }
    }

    /// Goes on with a peer that is closed, lingers, or is in its TLS handshake.
    @inline(never)
    private func beginSpecial(_ peer: ServerPeer) {
        if peer.isClosed { return peers.close(peer, .completed) }
        if peer.phase == .lingering { return peers.drop(peer) }
        switch peer.tls?.continueHandshake() {
        case .done, nil:
            peers.handshakeDidEnd(peer)
            if peer.tls?.hasBufferedInput == true || peer.mayBeReadable { runners.enqueue(peer) }
        case .waiting: peers.handshakeWaits(peer)
        case .failed(let error): peers.close(peer, .failed(error))
        }
    }

    /// Lets go of a peer that has nothing more to read.
    @inline(__always)
    private func letGo(_ exchange: ServerExchange) {
        self.exchange = nil
        exchange.peerReference._withUnsafeGuaranteedRef { peers.settle($0, exchange) }
    }

    /// Puts a peer at the end of the queue after many requests in a row. Returns false if no other peer waits.
    @inline(never)
    private func giveWay(_ exchange: ServerExchange) -> Bool {
        served = 0
        guard runners.hasWaiting, !exchange.endsAfterFlush else { return false }
        self.exchange = nil
        let peer = exchange.peer
        peer.isBusy = false
        if peer.isClosed { peers.close(peer, exchange.closeReason) } else { runners.enqueue(peer) }
        return true
    }

    // MARK: One request

    @inline(__always)
    private var current: Unmanaged<ServerExchange> { exchange.unsafelyUnwrapped }

    /// What the handler may know about the connection of the request that is being served.
    private var context: HTTPServerContext {
        current._withUnsafeGuaranteedRef { HTTPServerContext(server, $0.peer, request: $0.requestNumber) }
    }

    @inline(__always)
    private func takeRequest() -> HTTPRequest {
        current._withUnsafeGuaranteedRef { exchange in
            let request = exchange.takeParsedRequest() ?? scanner.request
            server.requestBegins(exchange, request)
            return request
        }
    }

    @inline(never)
    private func makeReader() -> HTTPBodyReader {
        current._withUnsafeGuaranteedRef { $0.makeReader() }
    }

    @inline(never)
    private func answer(
        _ request: borrowing HTTPRequest,
        _ response: borrowing HTTPServerResponse,
        _ body: HTTPBodyReader
    ) -> Bool {
        current._withUnsafeGuaranteedRef { exchange in
            guard exchange.answer(request, response, body) else { return false }
            server.requestEnds(exchange, response.status)
            return true
        }
    }

    @inline(never)
    private func answerWaiting(_ request: HTTPRequest, _ response: HTTPServerResponse, _ body: HTTPBodyReader) async {
        let exchange = current.takeUnretainedValue()
        if await exchange.answerWaiting(request, response, body) { server.requestEnds(exchange, response.status) }
    }
}

extension ServerRunner: Hashable {
    static func == (left: ServerRunner, right: ServerRunner) -> Bool { left === right }

    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
