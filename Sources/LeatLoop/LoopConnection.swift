/// What the loop asks of a connection.
open class LoopConnection {
    @exclusivity(unchecked) package internal(set) var isWritePending = false

    package init() {}

    /// Sends what there is to send, without waiting; see ``EventLoop/writeLater(_:)``.
    open func writePending() {}

    /// Saves what it still needs of the shared buffer, into which another read is about to go; see
    /// ``EventLoop/scratch(for:)``.
    open func leaveScratch() {}
}
