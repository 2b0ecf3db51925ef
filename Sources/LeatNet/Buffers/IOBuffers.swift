package import LeatLoop
package import LeatReactor

/// The buffers that all connections of one loop share, and the connections that wait to be flushed.
///
/// An idle connection holds none of this: it receives into the one scratch buffer, and what it sends is gathered in a block
/// that goes back to the spare ones when the kernel has it. Confined to its loop, which owns it.
package final class IOBuffers: TurnEnd {
    /// Where a read lands before anyone knows how much it brings.
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 64)
    /// The connection whose unparsed bytes lie in the scratch buffer.
    @exclusivity(unchecked) private var scratchUser: Unmanaged<BufferedConnection>?
    @exclusivity(unchecked) var spareBlocks = SpareBlocks()

    // Connections with buffered output, flushed at the end of the turn, in the order in which they began to have some.
    @exclusivity(unchecked) private var firstPending: Unmanaged<BufferedConnection>?
    @exclusivity(unchecked) private var lastPending: Unmanaged<BufferedConnection>?
    @exclusivity(unchecked) private var pendingCount = 0
    private let loop: Unmanaged<EventLoop>
    /// When the last flush began: later than the time of the turn, by as long as its jobs took.
    @exclusivity(unchecked) private var flushBegan: LoopInstant
    package var flushTime: LoopInstant { flushBegan }

    /// So many connections are flushed at once, even before the turn ends: a handler that computes for long does not hold
    /// up everything that was answered before it.
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

    /// Lends the scratch buffer to a connection. The one that has unparsed bytes in it is told to save them first.
    @inline(__always)
    package func scratch(for connection: BufferedConnection) -> UnsafeMutableRawBufferPointer {
        if let scratchUser { scratchUser._withUnsafeGuaranteedRef { $0.leaveScratch() } }
        scratchUser = .passUnretained(connection)
        return scratch
    }

    /// The scratch buffer for bytes that are dropped at once.
    package func scratchForDropping() -> UnsafeMutableRawBufferPointer {
        scratchUser?._withUnsafeGuaranteedRef { $0.leaveScratch() }
        scratchUser = nil
        return scratch
    }

    // MARK: Flushing

    /// Has a connection flush at the end of the turn.
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

    /// Not from within an event or a timer: what is flushed may be closed, and its owner be in the middle of something.
    @inline(never)
    private func flushEarly() {
        if loop._withUnsafeGuaranteedRef({ $0.isRunningJobs }) { flushPending() }
    }

    /// Takes a connection off the list.
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
    /// Whether it is on the list of those to be flushed at the end of the turn. Not the stored property: access to one of another
    /// module is checked for exclusivity, and a call is not.
    package final var isFlushPending: Bool { isScheduled }

    package init(loop: EventLoop) {
        buffers = .of(loop)
    }

    deinit { buffers.forget(self) }

    /// Sends what is buffered, without waiting. Called at the end of a turn.
    open func flushPending() { fatalError("flushPending() must be overridden") }

    /// Copies its unparsed bytes out of the scratch buffer, into which another connection is about to receive.
    open func leaveScratch() { fatalError("leaveScratch() must be overridden") }
}
