import LeatReactor

private final class Alarm: LoopTimer {
    let name: String

    init(_ name: String) { self.name = name }

    override func fire(at now: LoopInstant) {
        print("  \(now.nanoseconds) ns: \(name)")
    }
}

/// Chapter "Timers": a heap by itself, without a loop and without a clock.
func timers() {
    var heap = TimerHeap()
    let cancelled = Alarm("cancelled")
    heap.insert(Alarm("third"), at: LoopInstant(nanoseconds: 30))
    heap.insert(cancelled, at: LoopInstant(nanoseconds: 10))
    heap.insert(Alarm("first of two"), at: LoopInstant(nanoseconds: 20))
    heap.insert(Alarm("second of two"), at: LoopInstant(nanoseconds: 20))
    print("set: \(heap.count), the earliest is due at \(heap.earliest!.nanoseconds) ns")
    heap.remove(cancelled)
    print("one cancelled: \(heap.count), the earliest is due at \(heap.earliest!.nanoseconds) ns")
    for now in [19, 20, 35].map(LoopInstant.init(nanoseconds:)) {
        print("at \(now.nanoseconds) ns")
        while let timer = heap.popDue(at: now) { timer.fire(at: now) }
    }
}
