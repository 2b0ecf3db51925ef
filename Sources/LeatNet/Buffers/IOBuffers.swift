package import LeatLoop
package import LeatReactor

/// The buffers that all connections of one loop share, and the connections that wait to be flushed.
///
/// An idle connection holds none of this. Connections receive into the one scratch buffer. They gather their output in blocks,
/// which go back to the spare ones when the kernel has taken it. Confined to its loop, which owns it.
package final class IOBuffers: TurnEnd {
    /// Where a read lands before anyone knows how much it brings.
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 64)
    /// The connection whose unparsed bytes lie in the scratch buffer.
    @exclusivity(unchecked) private var scratchUser: Unmanaged<BufferedConnection>?
    @exclusivity(unchecked) var spareBlocks = SpareBlocks()

    // The flush list: connections with buffered output, in the order in which they began to have some.
    @exclusivity(unchecked) private var firstPending: Unmanaged<BufferedConnection>?
    @exclusivity(unchecked) private var lastPending: Unmanaged<BufferedConnection>?
    @exclusivity(unchecked) private var pendingCount = 0
    private let loop: Unmanaged<EventLoop>
    /// When the last flush began. It is later than the time of the turn, since jobs have run in between.
    @exclusivity(unchecked) private var flushBegan: LoopInstant
    package var flushTime: LoopInstant { flushBegan }

    /// When so many connections are on the list, a job flushes them before the turn ends. So a handler that computes for long
    /// does not hold up everything that was answered before it.
    private static var maximumPending: Int { 32 }

    /// The buffers of a loop, made when they are first needed.
    package static func of(_ loop: EventLoop) -> IOBuffers {
        unsafeDowncast(loop.turnEnd { IOBuffers(loop) }, to: IOBuffers.self)
    }

    private init(_ loop: EventLoop) {
        self.loop = .passUnretained(loop)
        flushBegan = loop.now
    }

    deinit { scratch.deallocate() }

    // MARK: Receiving

    /// Lends the scratch buffer to a connection. First, the connection that has unparsed bytes in it copies them out.
    @inline(__always)
    package func scratch(for connection: BufferedConnection) -> UnsafeMutableRawBufferPointer {
        if let scratchUser { scratchUser._withUnsafeGuaranteedRef { $0.leaveScratch() } }
        scratchUser = .passUnretained(connection)
        return scratch
    }

    /// Lends the scratch buffer for bytes that are dropped at once.
    package func scratchForDropping() -> UnsafeMutableRawBufferPointer {
        scratchUser?._withUnsafeGuaranteedRef { $0.leaveScratch() }
        scratchUser = nil
        return scratch
    }

    // MARK: Flushing

    /// Puts a connection on the flush list, unless it is on it.
    @inline(__always)
    package func scheduleFlush(_ connection: BufferedConnection) {
        if connection.isScheduled { return }
        connection.isScheduled = true
        let reference = Unmanaged.passUnretained(connection)
        connection.previousPending = lastPending
        if let lastPending {
            lastPending._withUnsafeGuaranteedRef { $0.nextPending = reference }
        } else {
            firstPending = reference
        }
        lastPending = reference
        pendingCount &+= 1
        if pendingCount >= Self.maximumPending { flushEarly() }
    }

    /// Flushes if a job runs. An event or a timer never flushes: that could close the connection that the event is about.
    @inline(never)
    private func flushEarly() {
        if loop._withUnsafeGuaranteedRef({ $0.isRunningJobs }) { flushPending() }
    }

    /// Takes a connection off the flush list.
    package func cancelFlush(_ connection: BufferedConnection) {
        guard connection.isScheduled else { return }
        unlink(connection)
    }

    @inline(__always)
    private func unlink(_ connection: BufferedConnection) {
        connection.isScheduled = false
        let (previous, next) = (connection.previousPending, connection.nextPending)
        if let previous { previous._withUnsafeGuaranteedRef { $0.nextPending = next } } else { firstPending = next }
        if let next { next._withUnsafeGuaranteedRef { $0.previousPending = previous } } else { lastPending = previous }
        connection.nextPending = nil
        connection.previousPending = nil
        pendingCount &-= 1
    }

    override package func turnEnds() {
        if firstPending != nil { flushPending() }
    }

    private func flushPending() {
        flushBegan = loop._withUnsafeGuaranteedRef { $0.clock.now }
        // A connection that is scheduled anew meanwhile waits for the next flush.
        var budget = pendingCount
        while budget > 0, let next = firstPending {
            budget &-= 1
            next._withUnsafeGuaranteedRef { connection in
                unlink(connection)
                connection.flushPending()
            }
        }
    }

    /// To be called before a connection is freed.
    func forget(_ connection: BufferedConnection) {
        cancelFlush(connection)
        if scratchUser?.toOpaque() == Unmanaged.passUnretained(connection).toOpaque() { scratchUser = nil }
    }
}

/// A connection that receives into a loop's scratch buffer and is flushed at the end of a turn. Open for Leat's own modules
/// only.
open class BufferedConnection {
    package final let buffers: IOBuffers
    @exclusivity(unchecked) fileprivate final var nextPending: Unmanaged<BufferedConnection>?
    @exclusivity(unchecked) fileprivate final var previousPending: Unmanaged<BufferedConnection>?
    @exclusivity(unchecked) fileprivate final var isScheduled = false
    /// Whether it is on the flush list. A computed property, since access to a stored property of another module is checked for
    /// exclusivity, and a call is not.
    package final var isFlushPending: Bool { isScheduled }

    package init(loop: EventLoop) {
        buffers = .of(loop)
    }

    deinit { buffers.forget(self) }

    /// Sends what is buffered, without waiting. Called when the flush list is emptied.
    open func flushPending() { fatalError("flushPending() must be overridden") }

    /// Copies its unparsed bytes out of the scratch buffer, into which another connection is about to receive.
    open func leaveScratch() { fatalError("leaveScratch() must be overridden") }
}
