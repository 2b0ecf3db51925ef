import LeatLoop
import LeatNet
import LeatReactor

/// A connection of the pool, in use or idle.
final class PooledConnection {
    let http: HTTPConnection
    let origin: OriginPool
    /// Whether it has served a request before.
    @exclusivity(unchecked) var isReused = false
    @exclusivity(unchecked) var idleSince = LoopInstant(nanoseconds: 0)

    /// When it is too old to be used again.
    private let retires: LoopInstant

    init(http: HTTPConnection, origin: OriginPool, lifetime: Duration?) {
        self.http = http
        self.origin = origin
        retires = lifetime.map { http.loop.now.advanced(by: $0) } ?? .distantFuture
    }

    /// Whether an idle connection can take a request.
    var isUsable: Bool { http.loop.now < retires && http.isQuiet }
}
