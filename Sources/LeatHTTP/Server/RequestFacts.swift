/// What the head of a request says about its connection and its body, while the request is being answered.
struct RequestFacts {
    var framing = HTTPBodyFraming.none
    var isHTTP11 = true
    var isHead = false
    /// Whether the client lets the connection serve another request (RFC 9112 §9.3).
    var keepsAlive = true
    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    var expectsContinue = false
    /// Whether the client offers another protocol (RFC 9110 §7.8).
    var offersUpgrade = false

    init() {}

    init(_ head: HTTPRequestHead) {
        framing = head.framing == .length(0) ? .none : head.framing
        isHTTP11 = head.version == .http11
        isHead = head.request.method == .head
        keepsAlive = head.keepAlive
        expectsContinue = head.expectsContinue
        offersUpgrade = head.offersUpgrade
    }

    /// Takes the facts from a head that a ``RequestScanner`` has read.
    @inline(__always)
    init(_ scanner: RequestScanner) {
        if scanner.contentLength > 0 { framing = .length(scanner.contentLength) }
        isHead = scanner.isHead
        keepsAlive = scanner.keepsAlive
    }

    var hasBody: Bool {
        @inline(__always) get { if case .none = framing { false } else { true } }
    }
}
