public import LeatNet
public import LeatReactor

/// Something that happened in a server, for logs and traces.
///
/// ```swift
/// configuration.observer = { event in print(event) }
/// ```
///
/// A connection is accepted once and closed once. A request is started once, and then either ends or is cut, once. In between
/// comes the head of its response. What is no request is refused instead, and never reaches a handler.
public struct HTTPServerEvent: Sendable, CustomStringConvertible {
    /// What can happen. More may be added: a `switch` needs a `default`.
    public enum Kind: Sendable {
        /// A client has connected.
        case connectionAccepted(remoteAddress: SocketAddress)
        /// The connection has ended.
        case connectionClosed(CloseReason)
        /// The head of a request is there, and its handler begins.
        case requestStarted(HTTPRequest)
        /// The head of a response was handed over for sending.
        case responseHeadSent(HTTPResponse.Status)
        /// The response was handed over for sending as a whole.
        ///
        /// - `bytes`: The size of the response in bytes, head included; nil if it is not known.
        /// - `duration`: The time since `requestStarted`.
        case requestEnded(HTTPResponse.Status, bytes: Int?, duration: Duration)
        /// Something was the server's fault: the handler has thrown this error, or the closure that writes the body has, or the
        /// response cannot be sent as it is. The request then ends or is cut.
        case requestFailed(any Error)
        /// The response could not be handed over to its end, because of this error: the client had gone or did not take it, or
        /// the closure that writes the body threw.
        case requestCut(any Error)
        /// What the client sent is no request, or more than the server takes. It was answered with this status, without a
        /// handler.
        case requestRefused(HTTPResponse.Status)
        /// The server accepts no more connections, and waits for the requests under way.
        case shutdownBegan
        /// The last connection has ended. `cut` connections were cut off at the end of the `shutdownTimeout`.
        case shutdownEnded(cut: Int)
    }

    /// Why a connection has ended. More may be added: a `switch` needs a `default`.
    public enum CloseReason: Sendable {
        /// The client closed it between two requests.
        case closedByClient
        /// The last response said `Connection: close`, as the request or the server wanted it.
        case completed
        /// No request came for the `idleTimeout`.
        case idle
        /// A request did not come, or a response was not taken, as fast as the configuration asks for.
        case timedOut
        /// What came was no request.
        case refused
        /// The other protocol, to which it was switched, has ended.
        case upgradeEnded
        /// The server shut down while the connection was idle, or cut it off.
        case shutdown
        /// The connection failed.
        case failed(any Error)
    }

    /// Tells the connections of one server apart, from 1 on; nil for an event of the whole server.
    public let connection: Int?
    /// Tells the requests of one server apart, from 1 on; nil for an event of no request.
    public let request: Int?
    /// When, on the clock of the server's loop.
    public let time: LoopInstant
    public let kind: Kind

    package init(connection: Int? = nil, request: Int? = nil, time: LoopInstant, kind: Kind) {
        self.connection = connection
        self.request = request
        self.time = time
        self.kind = kind
    }

    /// For example `connection 3, request 7: started: GET /books?page=2`. It never shows header fields, which can hold secrets.
    public var description: String {
        switch (connection, request) {
        case (let connection?, let request?): "connection \(connection), request \(request): \(kind)"
        case (let connection?, nil): "connection \(connection): \(kind)"
        case (nil, let request?): "request \(request): \(kind)"
        case (nil, nil): "server: \(kind)"
        }
    }
}

extension HTTPServerEvent.Kind: CustomStringConvertible {
    /// For example `ended: 200 OK, 173 bytes, 0.002 seconds`.
    public var description: String {
        switch self {
        case .connectionAccepted(let address): "accepted from \(address)"
        case .connectionClosed(let reason): "closed: \(reason)"
        case .requestStarted(let request): "started: \(request.method) \(request.path ?? "")"
        case .responseHeadSent(let status): "head sent: \(status)"
        case .requestEnded(let status, let bytes, let duration):
            "ended: \(status), \(bytes.map { "\($0) bytes, " } ?? "")\(duration)"
        case .requestFailed(let error): "failed: \(error)"
        case .requestCut(let error): "cut: \(error)"
        case .requestRefused(let status): "refused: \(status)"
        case .shutdownBegan: "shutdown began"
        case .shutdownEnded(let cut): "shutdown ended, connections cut off: \(cut)"
        }
    }
}

extension HTTPServerEvent.CloseReason: CustomStringConvertible {
    /// For example `no request came in time`.
    public var description: String {
        switch self {
        case .closedByClient: "the client closed it"
        case .completed: "the last response was sent"
        case .idle: "no request came in time"
        case .timedOut: "the client was too slow"
        case .refused: "what came was no request"
        case .upgradeEnded: "the other protocol ended"
        case .shutdown: "the server shut down"
        case .failed(let error): "\(error)"
        }
    }
}
