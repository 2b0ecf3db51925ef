import Glibc
import LeatLoop
import LeatNet
import LeatReactor

/// What a server's connection needs while something goes on in it: the parser, the bytes that are not parsed, the bytes that are
/// not sent, and the request that is being answered.
///
/// It is attached to a peer when bytes arrive, and detached when all of them are parsed and all answers are sent. Everything that
/// needs no waiting is done in plain functions, here and in `ServerExchange+Answering`. `ServerExchange+Waiting` has the rest.
final class ServerExchange: HTTPConnection {
    @exclusivity(unchecked) private(set) var peerReference: Unmanaged<ServerPeer>
    /// Unowned: the server outlives its exchanges.
    let serverReference: Unmanaged<HTTPServer>
    private let peers: Unmanaged<ServerPeers>
    /// The next exchange in the pool.
    @exclusivity(unchecked) var nextSpare: Unmanaged<ServerExchange>?
    /// What the head of the current request has said, or of the last one.
    @exclusivity(unchecked) var facts = RequestFacts()
    /// The request whose head the parser has read; nil if a scanner has.
    @exclusivity(unchecked) private var parsedRequest: HTTPRequest?
    /// Whether the connection ends when its output is flushed.
    @exclusivity(unchecked) var endsAfterFlush = false
    /// Whether requests have arrived that wait until the client takes the earlier answers.
    @exclusivity(unchecked) var waitsForFlush = false
    /// Whether a request was taken since the clock of a head began.
    @exclusivity(unchecked) var hasServed = false
    /// Whether a body is under way whose end is the end of the connection.
    @exclusivity(unchecked) var isStreamingUntilClose = false
    /// Whether a task may have waited for this peer.
    @exclusivity(unchecked) var mayHaveWaited = false
    /// The value of ``bytesSent`` when the kernel last took no more.
    @exclusivity(unchecked) private var sentWhenBlocked = -1
    /// Whether a task that a handler has left behind may still use this exchange. Then it serves nobody else.
    @exclusivity(unchecked) var isInUse = false
    /// Why the connection ends.
    @exclusivity(unchecked) var closeReason = HTTPServerEvent.CloseReason.completed
    /// When the request began, and what was sent before; for observers.
    @exclusivity(unchecked) var requestBegan = LoopInstant(nanoseconds: 0)
    @exclusivity(unchecked) var requestNumber = 0
    @exclusivity(unchecked) var sentBefore = 0
    @exclusivity(unchecked) var reportsHead = false
    /// The status that was sent in place of the handler's; for observers.
    @exclusivity(unchecked) var substitute: HTTPResponse.Status?
    let date: DateField
    private let ledger: ServerLedger
    private let maximumRequestBody: Int

    init(_ peer: ServerPeer, _ server: HTTPServer) {
        peerReference = .passUnretained(peer)
        serverReference = .passUnretained(server)
        peers = .passUnretained(server.peers)
        date = server.date
        ledger = server.ledger
        maximumRequestBody = server.configuration.maximumRequestBody
        super.init(peer, isOwned: false, peer.tls, .request, server.configuration.limits)
    }

    var peer: ServerPeer { peerReference.takeUnretainedValue() }
    var server: HTTPServer { serverReference.takeUnretainedValue() }

    @inline(__always)
    func attach(to peer: ServerPeer) {
        peerReference = .passUnretained(peer)
        socketReference = .passUnretained(peer)
        if peer.tls != nil { tls = peer.tls }
        sawEnd = false
    }

    @inline(__always)
    func detach() {
        assert(output.isEmpty && isBetweenMessages && !endsAfterFlush)
        account()
        sentWhenBlocked = -1
        hasServed = false
        if tls != nil { tls = nil }
        if mayHaveWaited {
            mayHaveWaited = false
            peer.releaseSpots()
        }
        dropCarry()
        parser.reset()
    }

    /// Whether nothing of another request has been received. An empty line may stand before a request, and counts as its
    /// beginning.
    @inline(__always)
    var isBetweenRequests: Bool { isBetweenMessages && !parser.flags.contains(.skippedEmptyLine) }

    /// Adds the bytes that were received and sent to the server's counts.
    @inline(__always)
    func account() {
        ledger.add(received: bytesReceived, sent: bytesSent)
        bytesReceived = 0
        bytesSent = 0
    }

    // MARK: Output

    override func outputDidFlush() {
        peers._withUnsafeGuaranteedRef { peers in
            peerReference._withUnsafeGuaranteedRef { peers.outputDidFlush($0, self) }
        }
    }

    override func outputIsTakenOver() { server.peers.becomeActive(peer) }

    /// The client has the write timeout to take more. The clock begins anew only if bytes were sent since it began.
    override func outputDidBlock() {
        server.peers.outputDidBlock(peer, hasSent: sentWhenBlocked != bytesSent)
        sentWhenBlocked = bytesSent
    }

    /// The client is gone. A handler that is answering it finds out when it next writes.
    override func outputDidFail() {
        output.removeAll()
        end(.failed(failure(-sendError, "write")))
        if !peer.isBusy, !peer.isQueued, !peer.isClosed { server.peers.rest(peer, self, at: loop.now) }
    }

    /// Has the connection end when everything that is buffered is sent. The first reason is the one that counts.
    func end(_ reason: HTTPServerEvent.CloseReason) {
        if !endsAfterFlush { closeReason = reason }
        endsAfterFlush = true
    }

    // MARK: Input

    enum Advance {
        /// A request. The scanner or the parser has its head.
        case request
        /// No request, until more arrives or more is sent.
        case nothing
    }

    /// Receives and parses as far as the next request, without waiting.
    @inline(__always)
    func advance(_ scanner: RequestScanner) -> Advance {
        if endsAfterFlush { return .nothing }
        if output.count >= Self.flushSize, !makeRoomForOutput() { return .nothing }
        while true {
            if !window.isEmpty {
                if parser.phase == .startLine, parser.scanned == 0 {
                    let length = scanner.scan(window)
                    if length > 0 {
                        take(length, scanner)
                        return facts.hasBody && !acceptsBody() ? .nothing : .request
                    }
                }
                switch parseHead() {
                case true?: return .request
                case false?: return .nothing
                case nil: break
                }
            }
            let received = tryFillRaw()
            if received > 0 { continue }
            if received != -Int(EAGAIN) { inputEnded(received) }
            return .nothing
        }
    }

    @inline(__always)
    private func take(_ length: Int, _ scanner: RequestScanner) {
        window = UnsafeRawBufferPointer(
            start: window.baseAddress.unsafelyUnwrapped + length,
            count: window.count &- length
        )
        facts = RequestFacts(scanner)
        hasServed = true
        parser.skipHead(bodyLength: scanner.contentLength)
    }

    /// Refuses the request if its announced body is too large. Returns whether it was accepted.
    private func acceptsBody() -> Bool {
        guard case .length(let length) = facts.framing, length > maximumRequestBody else { return true }
        parsedRequest = nil
        refuse(.contentTooLarge)
        return false
    }

    /// Hands out the request that the parser has read; nil if the scanner has read it.
    @inline(__always)
    func takeParsedRequest() -> HTTPRequest? {
        if parsedRequest == nil { return nil }
        return parsedRequest.take()
    }

    /// The reader of the request's body.
    func makeReader() -> HTTPBodyReader {
        mayHaveWaited = true
        let server = server
        return HTTPBodyReader(
            self,
            times: ExchangeTimes(began: loop.clock.now, readTimeout: server.bodyTimeout),
            maximum: maximumRequestBody,
            lowestRate: server.configuration.minimumBodyRate,
            awaitsContinue: facts.expectsContinue && !hasUnparsedBytes
        )
    }

    /// Has the exact parser read the head. Returns nil if more bytes are needed, and false if what came is refused.
    @inline(never)
    private func parseHead() -> Bool? {
        do throws(HTTPParseError) {
            guard case .head = try tryNext() else { return nil }
            let head = parser.takeRequestHead()
            facts = RequestFacts(head)
            hasServed = true
            parsedRequest = head.request
            // The parser has yet to be told that there is no body.
            if !facts.hasBody { _ = try tryNext() }
        } catch {
            refuse(error.suggestedStatus)
            return false
        }
        guard parsedRequest?.line.hasWellFormedTarget == true else {
            parsedRequest = nil
            refuse(.badRequest)
            return false
        }
        return acceptsBody()
    }

    /// The client has ended its side (0), or the connection failed (-errno). What is buffered is still sent.
    @inline(never)
    private func inputEnded(_ result: Int) {
        sawEnd = true
        end(result < 0 ? .failed(failure(result, "read")) : .closedByClient)
    }

    /// Sends what is buffered, so that more can be answered. Returns false if the client does not take it.
    @inline(never)
    private func makeRoomForOutput() -> Bool {
        buffers.cancelFlush(self)
        switch tryFlush() {
        case .flushed:
            flushed()
            return true
        case .blocked:
            waitsForFlush = true
            outputDidBlock()
        case .failed(let result):
            sendError = -result
            output.removeAll()
            end(.failed(failure(result, "write")))
        }
        return false
    }

    /// Answers something that is not a request, and ends the connection.
    func refuse(_ status: HTTPResponse.Status) {
        server.requestWasRefused(self, status)
        discardUnparsed()
        try? HTTPEncoder.appendResponseHead(
            HTTPResponse(status: status),
            framing: .length(0),
            connection: .close,
            additionalLines: date.line(now: loop.now),
            to: &output
        )
        end(.refused)
        flushLater()
    }
}
