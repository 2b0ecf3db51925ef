package import LeatLoop
package import LeatReactor

/// The addresses of host names, kept for a while: a client with a thousand requests to one host looks it up once.
///
/// Requests for a name that is being looked up wait for that look-up. Failures are not kept. Confined to its loop.
package final class AddressCache: @unchecked Sendable {
    private final class Entry: @unchecked Sendable {
        var addresses: [SocketAddress] = []
        var expires = LoopInstant(nanoseconds: 0)
        var failure: (any Error)?
        var isPending = true
        var waiters = WaitQueue()
    }

    private let loop: EventLoop
    private let timeToLive: Duration
    private let capacity: Int
    private var entries: [String: Entry] = [:]

    /// The system's resolver does not tell how long an answer is good for, hence the short `timeToLive`.
    package init(loop: EventLoop, timeToLive: Duration, capacity: Int = 1_000) {
        self.loop = loop
        self.timeToLive = timeToLive
        self.capacity = capacity
    }

    /// The addresses of `host`. Throws ``NetworkError`` (`.nameNotFound`, or `.timedOut` at the deadline) or
    /// `CancellationError`; the look-up itself goes on for those who wait with us.
    package func addresses(of host: String, port: UInt16, until deadline: LoopInstant) async throws -> [SocketAddress] {
        let entry = entry(for: host)
        if entry.isPending {
            let spot = ParkingSpot(loop: loop)
            entry.waiters.append(spot)
            var wake = await spot.parkCancellably(.offload, until: deadline)
            // The loop may have been busy, and the answer be among the jobs that are ready now: it gets one more turn.
            if wake == .deadline, entry.isPending {
                wake = await spot.parkCancellably(.offload, until: deadline)
            }
            spot.disarm()
            entry.waiters.remove(spot)
            if wake == .cancelled || entry.isPending { try wake.check("resolve \(host)") }
        }
        if let failure = entry.failure { throw failure }
        return entry.addresses.map { address in
            var address = address
            address.port = port
            return address
        }
    }

    /// Whether the addresses of `host` are here.
    package func knows(_ host: String) -> Bool {
        entries[host].map { !$0.isPending && $0.expires > loop.clock.now } ?? false
    }

    private func entry(for host: String) -> Entry {
        if let known = entries[host], known.isPending || known.expires > loop.clock.now { return known }
        let entry = Entry()
        makeRoom()
        entries[host] = entry
        loop.startTask { await self.lookUp(host, entry) }
        return entry
    }

    private func lookUp(_ host: String, _ entry: Entry) async {
        do {
            entry.addresses = try await Resolver.resolve(host: host, port: 0)
        } catch {
            entry.failure = error
        }
        entry.isPending = false
        entry.expires = loop.clock.now.advanced(by: timeToLive)
        if entry.failure != nil, entries[host] === entry { entries[host] = nil }
        while let waiter = entry.waiters.popFirst() { waiter.wake(.ready) }
    }

    /// Drops what has expired once the cache is full; if nothing has, everything that nobody waits for.
    private func makeRoom() {
        guard entries.count >= capacity else { return }
        let now = loop.clock.now
        entries = entries.filter { $0.value.isPending || $0.value.expires > now }
        if entries.count >= capacity { entries = entries.filter { $0.value.isPending } }
    }
}
