// For swift-log, this file begins with `import Logging`.
import Leat

extension HTTPClient.Configuration {
    /// Has the client's requests logged: failures as warnings, responses and redirects at `debug`, the rest at `trace`.
    mutating func log(to logger: Logger) {
        observer = { event in
            let request: Logger.Metadata = ["request": "\(event.request)"]
            switch event.kind {
            case .requestStarted(let method, let url): logger.debug("\(method) \(url)", metadata: request)
            case .redirected(let url): logger.debug("redirected to \(url)", metadata: request)
            // Its fields may hold secrets, and the status comes with the end.
            case .responseHeadReceived: break
            case .requestEnded(let status): logger.debug("\(status)", metadata: request)
            case .requestFailed(let error): logger.warning("no response: \(error)", metadata: request)
            default: logger.trace("\(event.kind)", metadata: request)
            }
        }
    }
}
