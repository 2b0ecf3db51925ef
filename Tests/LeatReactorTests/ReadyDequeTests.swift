import LeatReactor
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ReadyDequeTests {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func agreesWithAnArrayOverManyRandomOperations(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var deque = ReadyDeque<Int>(minimumCapacity: 4)
        var model: [Int] = []
        for number in 0..<50_000 {
            // Phases of filling and of draining, so that the ring wraps and grows at every offset.
            if Int.random(in: 0..<100, using: &generator) < (number / 1000 % 2 == 0 ? 55 : 45) {
                deque.append(number)
                model.append(number)
            } else {
                #expect(deque.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
            }
            #expect(deque.count == model.count)
            #expect(deque.isEmpty == model.isEmpty)
        }
    }

    @Test func aSteadyStateDoesNotGrow() {
        var deque = ReadyDeque<Int>(minimumCapacity: 64)
        for number in 0..<60 { deque.append(number) }
        let capacity = deque.capacity
        for number in 60..<100_000 {
            deque.append(number)
            #expect(deque.popFirst() == number - 60)
        }
        #expect(deque.capacity == capacity)
    }

    @Test func elementsAreReleasedWhenPoppedAndWithTheDeque() {
        final class Element {}
        weak var popped: Element?
        weak var left: Element?
        do {
            var deque = ReadyDeque<Element>(minimumCapacity: 2)
            let elements = (0..<5).map { _ in Element() }
            popped = elements[0]
            left = elements[4]
            for element in elements { deque.append(element) }
            _ = deque.popFirst()
        }
        #expect(popped == nil)
        #expect(left == nil)
    }
}
