import Glibc

/// Bytes to be sent, in one block of memory. They are appended at the end, and consumed at the front.
///
/// It has a block only while it holds bytes. The buffer of a connection takes its block from the loop's spare ones, and gives it
/// back to them. A buffer of its own (`init()`) allocates and frees its block. A pointer from ``reserve(_:)`` is good until the
/// next call.
package struct OutputBuffer: ~Copyable {
    @usableFromInline package var block: UnsafeMutableRawPointer?
    @usableFromInline package var capacity = 0
    /// The bytes in front of `start` are sent.
    @usableFromInline package var start = 0
    @usableFromInline package var end = 0
    /// A block of this capacity at most is kept while the buffer is empty.
    @usableFromInline package let keptCapacity: Int
    /// Whose spare blocks it uses; nil for none. Unowned: the connection keeps them alive.
    private let buffers: Unmanaged<IOBuffers>?

    /// Makes a buffer of its own, which belongs to no connection.
    package init() {
        buffers = nil
        keptCapacity = 0
    }

    /// - Parameter keepsSmallBlock: Whether it keeps a block of the smallest size when it is empty: for the few that are in use
    ///   all the time.
    package init(_ buffers: IOBuffers, keepsSmallBlock: Bool = false) {
        self.buffers = .passUnretained(buffers)
        keptCapacity = keepsSmallBlock ? SpareBlocks.smallestBlock : 0
    }

    deinit {
        if let block { free(block) }
    }

    @inlinable @inline(__always)
    package var count: Int { end &- start }
    @inlinable @inline(__always)
    package var isEmpty: Bool { end == start }
    /// The bytes to be sent. Good until the buffer is changed.
    @inlinable @inline(__always)
    package var bytes: UnsafeRawBufferPointer {
        guard let block else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: block + start, count: end &- start)
    }

    // MARK: Appending

    /// Makes room for `size` more bytes, and returns where it is. ``commit(_:)`` says how many of them were written.
    @inlinable @inline(__always)
    package mutating func reserve(_ size: Int) -> UnsafeMutableRawPointer {
        if capacity &- end < size { makeRoom(size) }
        return block.unsafelyUnwrapped + end
    }

    @inlinable @inline(__always)
    package mutating func commit(_ size: Int) {
        assert(size >= 0 && size <= capacity - end, "more was written than was reserved")
        end &+= size
    }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
        commit(bytes.count)
    }

    package mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    @inline(never)
    @usableFromInline
    package mutating func makeRoom(_ size: Int) {
        if block == nil, let buffers {
            (block, capacity) = buffers._withUnsafeGuaranteedRef { $0.spareBlocks.take() }
            if capacity >= size { return }
        }
        if let block, start > 0 {
            memmove(block, block + start, end - start)
            end -= start
            start = 0
            if capacity - end >= size { return }
        }
        var larger = max(2 * capacity, SpareBlocks.smallestBlock)
        while larger - end < size { larger *= 2 }
        guard let grown = realloc(block, larger) else { fatalError("out of memory") }
        block = grown
        capacity = larger
    }

    // MARK: Consuming

    /// Removes the first `size` bytes, which are sent.
    @inlinable @inline(__always)
    package mutating func consume(_ size: Int) {
        assert(size >= 0 && size <= count, "more was sent than was there")
        start &+= size
        guard start == end else { return }
        if capacity <= keptCapacity {
            start = 0
            end = 0
        } else {
            removeAll()
        }
    }

    /// Drops everything, and gives the block back.
    @inline(__always)
    package mutating func removeAll() {
        start = 0
        end = 0
        guard let block else { return }
        if let buffers {
            buffers._withUnsafeGuaranteedRef { $0.spareBlocks.giveBack(block, capacity) }
        } else {
            free(block)
        }
        self.block = nil
        capacity = 0
    }
}
