/// Output buffers of idle connections, for those that have something to send: as many as are in use at once, not as there
/// are connections. Confined to the loop of its server.
package final class SpareBuffers {
    @exclusivity(unchecked) private var buffers: [[UInt8]] = []

    private static var maximumCount: Int { 256 }
    /// A buffer that a large response has stretched is not worth keeping.
    private static var maximumCapacity: Int { 65536 }

    func take() -> [UInt8] {
        buffers.popLast() ?? []
    }

    /// Takes an empty buffer over and leaves one without storage.
    func giveBack(_ buffer: inout [UInt8]) {
        precondition(buffer.isEmpty, "a buffer was given back before it was sent")
        var given: [UInt8] = []
        swap(&given, &buffer)
        guard given.capacity > 0, given.capacity <= Self.maximumCapacity, buffers.count < Self.maximumCount else {
            return
        }
        buffers.append(given)
    }
}
