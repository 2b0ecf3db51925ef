import Glibc

/// Blocks for output that nobody uses now. The first words of each block say how large it is, and where the next one is.
struct SpareBlocks: ~Copyable {
    private struct Header {
        var next: UnsafeMutableRawPointer?
        var capacity: Int
    }

    private var first: UnsafeMutableRawPointer?
    private var count = 0

    /// The size of the smallest block.
    static var smallestBlock: Int { 2048 }
    /// A larger block is not kept.
    static var largestBlock: Int { 65536 }
    private static var maximumCount: Int { 64 }

    init() {}

    deinit {
        var next = first
        while let block = next {
            next = block.load(as: Header.self).next
            free(block)
        }
    }

    /// Takes out a block, or allocates one. Returns the block and its capacity.
    @inline(__always)
    mutating func take() -> (UnsafeMutableRawPointer, Int) {
        guard let block = first else { return (Self.allocate(Self.smallestBlock), Self.smallestBlock) }
        let header = block.load(as: Header.self)
        first = header.next
        count &-= 1
        return (block, header.capacity)
    }

    /// Takes a block back. Frees it if it is too large, or if there are enough.
    @inline(__always)
    mutating func giveBack(_ block: UnsafeMutableRawPointer, _ capacity: Int) {
        guard capacity <= Self.largestBlock, count < Self.maximumCount else { return free(block) }
        block.storeBytes(of: Header(next: first, capacity: capacity), as: Header.self)
        first = block
        count &+= 1
    }

    @inline(never)
    private static func allocate(_ size: Int) -> UnsafeMutableRawPointer {
        guard let block = malloc(size) else { fatalError("out of memory") }
        return block
    }
}
