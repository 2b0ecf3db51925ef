/// A FIFO queue in a ring: the work that is ready to run.
///
/// The capacity is a power of two and only ever grows, so a steady state allocates nothing. Appending is O(1) amortised,
/// popping O(1).
package struct ReadyDeque<Element>: ~Copyable {
    @usableFromInline package var ring: UnsafeMutablePointer<Element>
    @usableFromInline package var mask: Int
    /// Positions count up for ever; the ring index is the position masked.
    @usableFromInline package var head = 0
    @usableFromInline package var tail = 0

    package init(minimumCapacity: Int = 64) {
        let capacity = 1 << (Int.bitWidth - max(minimumCapacity - 1, 1).leadingZeroBitCount)
        ring = .allocate(capacity: capacity)
        mask = capacity - 1
    }

    deinit {
        for position in head..<tail { (ring + (position & mask)).deinitialize(count: 1) }
        ring.deallocate()
    }

    @inlinable package var count: Int { tail &- head }
    @inlinable package var isEmpty: Bool { head == tail }
    package var capacity: Int { mask + 1 }

    @inlinable
    package mutating func append(_ element: Element) {
        if count > mask { grow() }
        (ring + (tail & mask)).initialize(to: element)
        tail &+= 1
    }

    @inlinable
    package mutating func popFirst() -> Element? {
        guard head != tail else { return nil }
        let element = (ring + (head & mask)).move()
        head &+= 1
        return element
    }

    @usableFromInline
    package mutating func grow() {
        let capacity = (mask + 1) * 2
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
        for position in 0..<count {
            (larger + position).initialize(to: (ring + ((head + position) & mask)).move())
        }
        ring.deallocate()
        ring = larger
        tail = count
        head = 0
        mask = capacity - 1
    }
}
