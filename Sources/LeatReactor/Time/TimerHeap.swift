/// Something that becomes due: an entry of a ``TimerHeap``. Subclasses say what happens then.
///
/// The heap keeps its position inside the timer (`heapIndex`), which is what makes cancelling O(log n) with no search and
/// no look-up table.
open class LoopTimer {
    /// Position in the heap; -1 while not in one.
    @exclusivity(unchecked) package fileprivate(set) final var heapIndex = -1

    public init() {}

    /// Whether the timer is set.
    package final var isSet: Bool { heapIndex >= 0 }

    /// Called once, on the loop, when the deadline has passed. The timer is out of the heap by then and may be set again.
    open func fire(at now: LoopInstant) {
        fatalError("LoopTimer.fire(at:) must be overridden")
    }
}

/// An indexed min-heap of timers, ordered by deadline and, among equal deadlines, by the order in which they were set.
///
/// Four children to a node: the tree is half as deep as a binary one, and the four keys that a step compares lie beside
/// each other in memory. Inserting and removing are O(log n), looking at the first is O(1). The heap owns its timers; one
/// that is removed is released at once.
package struct TimerHeap: ~Copyable {
    private struct Entry {
        var deadline: LoopInstant
        /// FIFO among equal deadlines.
        var sequence: UInt64
        var timer: Unmanaged<LoopTimer>

        func isBefore(_ other: Entry) -> Bool {
            deadline != other.deadline ? deadline < other.deadline : sequence < other.sequence
        }
    }

    private static var arity: Int { 4 }

    private var entries: [Entry] = []
    private var nextSequence: UInt64 = 0

    package init() {}

    deinit {
        for entry in entries {
            entry.timer._withUnsafeGuaranteedRef { $0.heapIndex = -1 }
            entry.timer.release()
        }
    }

    package var count: Int { entries.count }

    /// The deadline of the first timer.
    package var earliest: LoopInstant? { entries.first?.deadline }

    /// Adds a timer. Precondition: it is in no heap.
    package mutating func insert(_ timer: LoopTimer, at deadline: LoopInstant) {
        precondition(timer.heapIndex < 0, "a timer is set twice")
        let entry = Entry(deadline: deadline, sequence: nextSequence, timer: .passRetained(timer))
        nextSequence += 1
        entries.append(entry)
        siftUp(entry, from: entries.count - 1)
    }

    /// Takes a timer out before it is due; does nothing if it is not in the heap.
    package mutating func remove(_ timer: LoopTimer) {
        let index = timer.heapIndex
        guard index >= 0 else { return }
        assert(entries[index].timer.toOpaque() == Unmanaged.passUnretained(timer).toOpaque())
        removeEntry(at: index).release()
    }

    /// Takes out the first timer if it is due at `now`.
    package mutating func popDue(at now: LoopInstant) -> LoopTimer? {
        guard let first = entries.first, first.deadline <= now else { return nil }
        return removeEntry(at: 0).takeRetainedValue()
    }

    private mutating func removeEntry(at index: Int) -> Unmanaged<LoopTimer> {
        let removed = entries[index]
        removed.timer._withUnsafeGuaranteedRef { $0.heapIndex = -1 }
        let last = entries.removeLast()
        guard index < entries.count else { return removed.timer }
        // The last entry fills the hole, and moves whichever way its key asks for.
        if index > 0, last.isBefore(entries[(index - 1) / Self.arity]) {
            siftUp(last, from: index)
        } else {
            siftDown(last, from: index)
        }
        return removed.timer
    }

    private mutating func siftUp(_ entry: Entry, from start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / Self.arity
            guard entry.isBefore(entries[parent]) else { break }
            place(entries[parent], at: index)
            index = parent
        }
        place(entry, at: index)
    }

    private mutating func siftDown(_ entry: Entry, from start: Int) {
        var index = start
        while let child = firstChild(of: index), entries[child].isBefore(entry) {
            place(entries[child], at: index)
            index = child
        }
        place(entry, at: index)
    }

    /// The child of `index` that comes first.
    private func firstChild(of index: Int) -> Int? {
        let start = index * Self.arity + 1
        guard start < entries.count else { return nil }
        var best = start
        for child in start + 1..<max(start + 1, min(start + Self.arity, entries.count))
        where entries[child].isBefore(entries[best]) {
            best = child
        }
        return best
    }

    private mutating func place(_ entry: Entry, at index: Int) {
        entries[index] = entry
        entry.timer._withUnsafeGuaranteedRef { $0.heapIndex = index }
    }
}
