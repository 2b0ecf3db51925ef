import LeatReactor
import Testing

private final class NumberedTimer: LoopTimer {
    let number: Int

    init(_ number: Int) {
        self.number = number
    }
}

@Suite(.timeLimit(.minutes(5)))
struct TimerHeapTests {
    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func agreesWithASortedListOverManyRandomOperations(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var heap = TimerHeap()
        // The model: deadline and order of setting, kept in a plain array and searched from end to end.
        var model: [(deadline: LoopInstant, number: Int, timer: NumberedTimer)] = []
        var now = LoopInstant(nanoseconds: 0)
        for number in 0..<20_000 {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<5:
                let timer = NumberedTimer(number)
                // Few distinct deadlines, so that equal ones are common.
                let deadline = LoopInstant(nanoseconds: now.nanoseconds + Int64.random(in: 0..<40, using: &generator))
                heap.insert(timer, at: deadline)
                model.append((deadline, number, timer))
            case 5..<8 where !model.isEmpty:
                let index = Int.random(in: 0..<model.count, using: &generator)
                let removed = model.remove(at: index)
                heap.remove(removed.timer)
                #expect(!removed.timer.isSet)
            default:
                now.nanoseconds += Int64.random(in: 0..<10, using: &generator)
                while let due = heap.popDue(at: now) as? NumberedTimer {
                    let first = model.min { ($0.deadline, $0.number) < ($1.deadline, $1.number) }!
                    #expect(due.number == first.number)
                    model.removeAll { $0.number == first.number }
                }
            }
            #expect(heap.count == model.count)
            #expect(heap.earliest == model.map(\.deadline).min())
        }
    }

    @Test func equalDeadlinesComeOutInTheOrderTheyWereSet() {
        var heap = TimerHeap()
        let deadline = LoopInstant(nanoseconds: 5)
        for number in 0..<1000 { heap.insert(NumberedTimer(number), at: deadline) }
        var order: [Int] = []
        while let timer = heap.popDue(at: deadline) as? NumberedTimer { order.append(timer.number) }
        #expect(order == Array(0..<1000))
    }

    @Test func nothingIsDueBeforeItsDeadline() {
        var heap = TimerHeap()
        heap.insert(NumberedTimer(0), at: LoopInstant(nanoseconds: 10))
        #expect(heap.popDue(at: LoopInstant(nanoseconds: 9)) == nil)
        #expect(heap.popDue(at: LoopInstant(nanoseconds: 10)) != nil)
    }

    @Test func aRemovedTimerIsFreedAtOnce() {
        var heap = TimerHeap()
        weak var observed: NumberedTimer?
        for number in 0..<100 { heap.insert(NumberedTimer(number), at: LoopInstant(nanoseconds: Int64(number))) }
        do {
            let timer = NumberedTimer(100)
            observed = timer
            heap.insert(timer, at: LoopInstant(nanoseconds: 50))
            heap.remove(timer)
        }
        #expect(observed == nil)
        #expect(heap.count == 100)
    }

    @Test func removingATimerThatIsNotSetDoesNothing() {
        var heap = TimerHeap()
        let timer = NumberedTimer(0)
        heap.remove(timer)
        heap.insert(timer, at: LoopInstant(nanoseconds: 1))
        heap.remove(timer)
        heap.remove(timer)
        #expect(heap.count == 0)
    }

    @Test func aHeapThatEndsLetsItsTimersBeSetElsewhere() {
        let timer = NumberedTimer(0)
        do {
            var heap = TimerHeap()
            heap.insert(timer, at: LoopInstant(nanoseconds: 1))
        }
        var other = TimerHeap()
        other.insert(timer, at: LoopInstant(nanoseconds: 1))
        #expect(other.count == 1)
    }
}

private func < (left: (LoopInstant, Int), right: (LoopInstant, Int)) -> Bool {
    left.0 != right.0 ? left.0 < right.0 : left.1 < right.1
}
