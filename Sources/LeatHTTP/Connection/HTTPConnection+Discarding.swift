import LeatReactor

/// Receives and drops the rest of a message that nobody wants, to get at the next one.
extension HTTPConnection {
    /// Drops what has arrived of the rest of a message, without waiting, until ``bytesReceived`` is `limit`. Returns whether the
    /// message has ended.
    final func discardArrived(until limit: Int) throws -> Bool {
        while !(try discardReceived()) {
            guard bytesReceived < limit, !sawEnd, try tryFill() else { return false }
        }
        return true
    }

    /// As ``discardArrived(until:)``, but waits for it until `deadline`.
    final func discardRest(until limit: Int, deadline: LoopInstant) async throws -> Bool {
        while !(try discardReceived()) {
            guard bytesReceived < limit, try await fill(deadline: deadline) else { return false }
        }
        return true
    }

    /// Drops what has been received of the message. Returns whether the message has ended. Nothing of the next one is touched.
    private final func discardReceived() throws(HTTPParseError) -> Bool {
        while parser.phase != .startLine {
            guard try tryNext() != nil else { return false }
        }
        return true
    }
}
