package import LeatLoop
package import LeatReactor

extension Socket {
    /// Connects to whichever of the addresses answers first (RFC 8305, "Happy Eyeballs").
    ///
    /// The families take turns, beginning with that of the first address. An attempt that has not succeeded within 250 ms
    /// does not hold up the next, and one that fails makes the next begin at once. The first connection wins and the
    /// others are closed. Throws what the last attempt failed with, or `CancellationError`.
    package static func connect(
        toFirstOf addresses: [SocketAddress],
        host: String,
        loop: EventLoop,
        until deadline: LoopInstant
    ) async throws -> Socket {
        let addresses = interleaved(addresses)
        guard let first = addresses.first else {
            throw NetworkError(.nameNotFound, operation: "connect to \(host)", detail: "it has no address")
        }
        if addresses.count == 1 { return try await connect(to: first, loop: loop, until: deadline) }
        return try await race(addresses, loop: loop, until: deadline)
    }

    /// At most this many addresses of a name are tried.
    private static var maximumAttempts: Int { 16 }
    private static var attemptDelay: Duration { .milliseconds(250) }

    private enum RaceEvent: Sendable {
        case connected(Socket)
        case failed(any Error)
        /// The attempt with this number has had its head start.
        case slow(Int)
    }

    private static func race(
        _ addresses: [SocketAddress],
        loop: EventLoop,
        until deadline: LoopInstant
    ) async throws -> Socket {
        let outcome = await withTaskGroup(of: RaceEvent.self) { group -> Result<Socket, any Error> in
            var begun = 0
            var running = 0
            func beginNext() {
                guard begun < addresses.count else { return }
                let (address, number) = (addresses[begun], begun)
                begun += 1
                running += 1
                group.addTask {
                    do {
                        return .connected(try await connect(to: address, loop: loop, until: deadline))
                    } catch {
                        return .failed(error)
                    }
                }
                group.addTask {
                    try? await sleep(for: attemptDelay)
                    return .slow(number)
                }
            }
            beginNext()
            var winner: Socket?
            var last: any Error = CancellationError()
            while let event = await group.next() {
                switch event {
                case .connected(let socket):
                    running -= 1
                    // Two can succeed in one turn.
                    if winner == nil { winner = socket } else { socket.close() }
                    group.cancelAll()
                case .failed(let error):
                    running -= 1
                    if winner != nil { break }
                    last = error
                    if error is CancellationError { group.cancelAll() } else { beginNext() }
                    if running == 0 { group.cancelAll() }
                case .slow(let number):
                    if winner == nil, number == begun - 1, running > 0, !Task.isCancelled { beginNext() }
                }
            }
            return winner.map { .success($0) } ?? .failure(last)
        }
        return try outcome.get()
    }

    /// The addresses with their families taking turns, in order within each family.
    static func interleaved(_ addresses: [SocketAddress]) -> [SocketAddress] {
        guard let family = addresses.first?.family else { return [] }
        let first = addresses.filter { $0.family == family }
        let second = addresses.filter { $0.family != family }
        var mixed: [SocketAddress] = []
        for index in 0..<max(first.count, second.count) {
            if index < first.count { mixed.append(first[index]) }
            if index < second.count { mixed.append(second[index]) }
        }
        return Array(mixed.prefix(maximumAttempts))
    }
}
