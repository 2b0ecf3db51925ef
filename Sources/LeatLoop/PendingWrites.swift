/// Who has bytes to send before the loop next looks at its descriptors.
///
/// Requests that one turn makes ready are sent together: a peer on this machine is woken once for all of them, not once for
/// each, which costs more than the rest of a small request (see `docs/decisions/0007-writes-at-the-end-of-a-turn.md`).
struct PendingWrites {
    /// So many are sent at once; a job that takes long should not hold up everything that was ready before it.
    private static var maximum: Int { 32 }

    /// Not owned: a connection takes itself out before it goes.
    private var connections: [Unmanaged<LoopConnection>] = []

    mutating func add(_ connection: LoopConnection) {
        guard !connection.isWritePending else { return }
        connection.isWritePending = true
        connections.append(.passUnretained(connection))
        if connections.count >= Self.maximum { perform() }
    }

    mutating func remove(_ connection: LoopConnection) {
        guard connection.isWritePending else { return }
        connection.isWritePending = false
        connections.removeAll { $0.toOpaque() == Unmanaged.passUnretained(connection).toOpaque() }
    }

    @inline(__always)
    mutating func perform() {
        if connections.isEmpty { return }
        for connection in connections {
            connection._withUnsafeGuaranteedRef {
                $0.isWritePending = false
                $0.writePending()
            }
        }
        connections.removeAll(keepingCapacity: true)
    }
}

extension EventLoop {
    /// Has `connection` send when the jobs that are ready have run, or enough others wait to send.
    @inline(__always)
    package func writeLater(_ connection: LoopConnection) { pendingWrites.add(connection) }

    /// Takes it back.
    package func cancelWrite(_ connection: LoopConnection) { pendingWrites.remove(connection) }
}
