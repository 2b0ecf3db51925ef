import LeatLoop
public import LeatReactor

/// Something that happened to a request of a client, for logs and traces; the vocabulary is that of aiohttp's `TraceConfig`.
///
/// ```swift
/// configuration.observer = { event in print(event) }
/// ```
///
/// A request is started once, and then ends or fails once. In between, the events of one exchange come for each place that a
/// redirect leads to, and again where a request is repeated on a fresh connection.
public struct HTTPClientEvent: Sendable, CustomStringConvertible {
    /// What can happen. More may be added: a `switch` needs a `default`.
    public enum Kind: Sendable {
        /// The client was asked for a request.
        case requestStarted(HTTPRequest.Method, HTTPURL)
        /// It waits for a connection, since as many as are allowed are in use.
        case connectionQueued
        /// That wait is over, with or without a connection.
        case connectionDequeued
        /// It goes over a kept-alive connection.
        case connectionReused
        /// A new connection is made.
        case connectStarted
        /// The addresses of a host are known from before.
        case addressesCached(host: String)
        /// They are looked up.
        case resolveStarted(host: String)
        /// The look-up has found so many.
        case resolved(host: String, addresses: Int)
        /// The new connection stands, with TLS if that is wanted.
        case connectionCreated
        /// The head of the request was handed over for sending.
        case requestHeadSent
        /// So many bytes of its body were handed over.
        case requestChunkSent(bytes: Int)
        /// The final head of the response is there.
        case responseHeadReceived(HTTPResponse)
        /// So many bytes of its body have arrived, as they are on the wire.
        case responseChunkReceived(bytes: Int)
        /// The response leads elsewhere, and is followed.
        case redirected(to: HTTPURL)
        /// The response is complete, or its reader has returned.
        case requestEnded(HTTPResponse.Status)
        /// There is no response; `CancellationError` among the reasons.
        case requestFailed(any Error)
    }

    /// Tells the requests of one client apart, from 1 on.
    public let request: Int
    /// When, on the clock of the client's loop.
    public let time: LoopInstant
    public let kind: Kind

    /// For example `request 7: connectionReused`.
    public var description: String { "request \(request): \(kind)" }
}

/// Tells the observer what happens to one request.
package final class Observation: Sendable {
    private let request: Int
    private let clock: LoopClock
    private let observer: @Sendable (HTTPClientEvent) -> Void

    init(request: Int, clock: LoopClock, observer: @escaping @Sendable (HTTPClientEvent) -> Void) {
        self.request = request
        self.clock = clock
        self.observer = observer
    }

    /// Not inlined: what is not observed must not pay for the room that an event takes.
    @inline(never)
    func note(_ kind: @autoclosure () -> HTTPClientEvent.Kind) {
        observer(HTTPClientEvent(request: request, time: clock.now, kind: kind()))
    }
}
