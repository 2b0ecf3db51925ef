/// What a layer above the loop does once a turn: after the ready jobs have run, and before the loop polls.
///
/// LeatNet flushes its connections there. The loop holds one of these and knows nothing else of it.
open class TurnEnd {
    package init() {}

    /// Called on the loop, at the end of each turn's jobs. It must not run user code.
    open func turnEnds() {}
}
