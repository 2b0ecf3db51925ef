import LeatNet
import LeatReactor

/// The request for a tunnel through a proxy (`CONNECT`, RFC 9110 §9.3.6).
struct ProxyTunnel {
    let proxy: HTTPProxy
    /// `host:port` of the origin.
    let target: String
    let userAgent: String?
    let limits: HTTPLimits

    /// Asks for the tunnel on a new connection to the proxy. When this returns, all that the socket carries is the origin's.
    /// Throws ``HTTPError`` of kind `.proxy` or `.malformed`, `NetworkError` or `CancellationError`.
    func open(on socket: Socket, until deadline: LoopInstant) async throws {
        let http = HTTPConnection(socket: socket, role: .response, limits: limits)
        http.parser.expectResponse(to: .connect)
        try appendRequest(to: &http.output)
        try await http.flush(timeout: .max, deadline: deadline)
        let status = try await receiveStatus(http, until: deadline)
        guard (200..<300).contains(status.code) else { throw refusal(status) }
        // The origin speaks TLS, and so has nothing to say before we do. These bytes are the proxy's own.
        guard !http.hasUnparsedBytes else {
            throw HTTPError(.proxy, "\(subject) sent something into the tunnel itself")
        }
    }

    private func appendRequest(to output: inout OutputBuffer) throws {
        var fields = HTTPFields()
        if let userAgent { fields[.userAgent] = userAgent }
        if let authorization = proxy.authorization { fields[.proxyAuthorization] = authorization }
        do throws(HTTPEncodingError) {
            try HTTPEncoder.appendRequestHead(
                method: .connect,
                target: target,
                authority: target,
                headerFields: fields,
                framing: .none,
                to: &output
            )
        } catch {
            throw HTTPError(.invalidRequest, "\(error)", underlying: error)
        }
    }

    /// The status of the first response that is not an interim one. What follows a refusal is not read.
    private func receiveStatus(_ http: HTTPConnection, until deadline: LoopInstant) async throws -> HTTPResponse.Status
    {
        while try await http.receiveHead(deadline: deadline) {
            let head = http.parser.takeResponseHead()
            if !head.isInterim { return head.response.status }
        }
        throw HTTPError(.proxy, "\(subject) closed the connection instead of making one to \(target)")
    }

    private func refusal(_ status: HTTPResponse.Status) -> HTTPError {
        var message = "\(subject) made no connection to \(target): it answered with status \(status.code)"
        if status == .proxyAuthenticationRequired {
            message +=
                proxy.authorization == nil
                ? "; give it a user name and a password, as in http://user:password@\(proxy)"
                : "; it does not accept these credentials"
        }
        return HTTPError(.proxy, message, proxyStatus: status)
    }

    private var subject: String { "the proxy \(proxy)" }
}
