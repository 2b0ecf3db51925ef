/// The memory of ``HTTPFields``, one block: first where each field lies, then the fields themselves.
///
/// ```
/// │ header │ entries ► free │ octets ► free │
/// ```
///
/// The octets are every field in wire form, `name ":" OWS value OWS CRLF`, one after the other and without gaps. So the parser
/// fills them with one copy, and the encoder sends them with one copy.
///
/// Neither count exceeds its capacity, which is checked before anything is written, and an entry lies within the octets.
final class HTTPFieldStorage: ManagedBuffer<HTTPFieldStorage.Header, HTTPFieldStorage.Entry> {
    struct Header {
        var entryCount: UInt32 = 0
        var byteCount: UInt32 = 0
        let entryCapacity: UInt32
        let byteCapacity: UInt32
    }

    /// Where one field lies in the octets.
    struct Entry: Sendable {
        var nameStart: UInt32
        var nameLength: UInt32
        var valueStart: UInt32
        var valueLength: UInt32
    }

    /// An empty block for so many fields and octets.
    static func make(entries: Int, bytes: Int) -> HTTPFieldStorage {
        precondition(bytes <= UInt32.max, "HTTP fields of 4 GiB or more")
        let size = MemoryLayout<Entry>.stride
        let buffer = create(minimumCapacity: entries + (bytes + size - 1) / size) { _ in
            Header(entryCapacity: UInt32(entries), byteCapacity: UInt32(bytes))
        }
        return unsafeDowncast(buffer, to: HTTPFieldStorage.self)
    }

    /// Whether so much fits behind what is there.
    @inline(__always)
    func hasRoom(entries: Int, bytes: Int) -> Bool {
        let header = header
        return Int(header.entryCapacity) - Int(header.entryCount) >= entries
            && Int(header.byteCapacity) - Int(header.byteCount) >= bytes
    }

    /// A copy with room for so much more: where there is too little, for twice as much as there was.
    func copy(forMoreEntries entries: Int, bytes: Int) -> HTTPFieldStorage {
        func capacity(_ old: UInt32, _ needed: Int) -> Int { needed <= Int(old) ? Int(old) : max(2 * Int(old), needed) }
        let header = header
        let copy = HTTPFieldStorage.make(
            entries: capacity(header.entryCapacity, Int(header.entryCount) + entries),
            bytes: capacity(header.byteCapacity, Int(header.byteCount) + bytes)
        )
        withUnsafeMutablePointerToElements { located in
            copy.append(self.bytes, UnsafeBufferPointer(start: located, count: Int(header.entryCount)))
        }
        return copy
    }

    /// The octets. Good until the block is written to, or released.
    @inline(__always)
    var bytes: UnsafeRawBufferPointer {
        withUnsafeMutablePointers { header, entries in
            UnsafeRawBufferPointer(
                start: entries + Int(header.pointee.entryCapacity),
                count: Int(header.pointee.byteCount)
            )
        }
    }

    @inline(__always)
    func entry(at index: Int) -> Entry {
        withUnsafeMutablePointers { header, entries in
            precondition(index >= 0 && index < Int(header.pointee.entryCount), "there is no such field")
            return entries[index]
        }
    }

    /// Whether the field has this name, in any case of its letters.
    @inline(__always)
    func name(at index: Int, equals name: UnsafeRawBufferPointer) -> Bool {
        let entry = entry(at: index)
        return Int(entry.nameLength) == name.count
            && ASCII.equalsIgnoringCase(bytes.baseAddress! + Int(entry.nameStart), name.baseAddress!, name.count)
    }

    /// Adds fields in wire form, whose entries already count from the start of all octets.
    func append(_ wire: UnsafeRawBufferPointer, _ located: UnsafeBufferPointer<Entry>) {
        precondition(hasRoom(entries: located.count, bytes: wire.count))
        guard let lines = wire.baseAddress, let first = located.baseAddress else { return }
        withUnsafeMutablePointers { header, entries in
            let octets = UnsafeMutableRawPointer(entries + Int(header.pointee.entryCapacity))
            (octets + Int(header.pointee.byteCount)).copyMemory(from: lines, byteCount: wire.count)
            (entries + Int(header.pointee.entryCount)).initialize(from: first, count: located.count)
            header.pointee.byteCount += UInt32(wire.count)
            header.pointee.entryCount += UInt32(located.count)
        }
    }

    /// Adds a field.
    func append(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        precondition(hasRoom(entries: 1, bytes: name.count + value.count + 4))
        withUnsafeMutablePointers { header, entries in
            let octets = UnsafeMutableRawPointer(entries + Int(header.pointee.entryCapacity))
            let start = header.pointee.byteCount
            let room = Int(header.pointee.byteCapacity - start)
            var writer = ByteWriter(room: UnsafeMutableRawBufferPointer(start: octets + Int(start), count: room))
            writer.write(name)
            writer.write(": ")
            writer.write(value)
            writer.write("\r\n")
            let entry = Entry(
                nameStart: start,
                nameLength: UInt32(name.count),
                valueStart: start + UInt32(name.count) + 2,
                valueLength: UInt32(value.count)
            )
            (entries + Int(header.pointee.entryCount)).initialize(to: entry)
            header.pointee.byteCount = entry.valueStart + entry.valueLength + 2
            header.pointee.entryCount += 1
        }
    }
}
