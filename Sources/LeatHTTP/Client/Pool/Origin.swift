/// Scheme, host and port: what connections, permits and credentials are for (RFC 9110 §4.3.1).
struct Origin: Hashable {
    let isSecure: Bool
    let host: String
    let port: UInt16

    init(_ url: HTTPURL) {
        isSecure = url.isSecure
        host = url.host
        port = url.port
    }
}
