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
        var traits = Traits()
    }

    /// What a sender has to know of the fields. Noted when they are appended, so that nobody has to look for it in each of them
    /// when the message is sent.
    struct Traits: OptionSet {
        var rawValue: UInt8
        /// There is a `Date`.
        static var date: Traits { Traits(rawValue: 1) }
        /// There is a `Content-Type`.
        static var contentType: Traits { Traits(rawValue: 2) }
        /// There are fields about the framing or the connection: Host, Connection, Content-Length, Transfer-Encoding.
        static var framing: Traits { Traits(rawValue: 4) }
        /// There are bytes that may not be sent, or fields that nobody has looked at.
        static var unchecked: Traits { Traits(rawValue: 8) }

        /// What one field adds.
        static func of(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Traits {
            guard let start = name.baseAddress, ASCII.isToken(start, name.count),
                value.baseAddress.flatMap({ ASCII.firstNonFieldValue($0, value.count) }) == nil
            else { return .unchecked }
            switch name.count {
            case 4 where ASCII.equalsIgnoringCase(start, 4, "date"): return .date
            case 4 where ASCII.equalsIgnoringCase(start, 4, "host"): return .framing
            case 10 where ASCII.equalsIgnoringCase(start, 10, "connection"): return .framing
            case 12 where ASCII.equalsIgnoringCase(start, 12, "content-type"): return .contentType
            case 14 where ASCII.equalsIgnoringCase(start, 14, "content-length"): return .framing
            case 17 where ASCII.equalsIgnoringCase(start, 17, "transfer-encoding"): return .framing
            default: return []
            }
        }
    }

    /// A copy of the header, without the check for exclusivity that reading `header` costs.
    @inline(__always)
    var counts: Header { withUnsafeMutablePointerToHeader { $0.pointee } }

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
        let header = counts
        return Int(header.entryCapacity) - Int(header.entryCount) >= entries
            && Int(header.byteCapacity) - Int(header.byteCount) >= bytes
    }

    /// A copy with room for so much more: where there is too little, for twice as much as there was.
    func copy(forMoreEntries entries: Int, bytes: Int) -> HTTPFieldStorage {
        func capacity(_ old: UInt32, _ needed: Int) -> Int { needed <= Int(old) ? Int(old) : max(2 * Int(old), needed) }
        let header = counts
        let copy = HTTPFieldStorage.make(
            entries: capacity(header.entryCapacity, Int(header.entryCount) + entries),
            bytes: capacity(header.byteCapacity, Int(header.byteCount) + bytes)
        )
        withUnsafeMutablePointerToElements { located in
            copy.append(self.bytes, UnsafeBufferPointer(start: located, count: Int(header.entryCount)))
        }
        copy.withUnsafeMutablePointerToHeader { $0.pointee.traits = header.traits }
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
            header.pointee.traits.insert(.unchecked)
        }
    }

    /// Whether it could hold so much, once what is in it is dropped.
    @inline(__always)
    func canHold(entries: Int, bytes: Int) -> Bool {
        let header = counts
        return Int(header.entryCapacity) >= entries && Int(header.byteCapacity) >= bytes
    }

    /// Replaces all fields by others in wire form. Nobody else may hold the block.
    @inline(__always)
    func replace(_ wire: UnsafeRawBufferPointer, _ located: UnsafeBufferPointer<Entry>) {
        assert(canHold(entries: located.count, bytes: wire.count))
        withUnsafeMutablePointers { header, entries in
            if let lines = wire.baseAddress, let first = located.baseAddress {
                let octets = UnsafeMutableRawPointer(entries + Int(header.pointee.entryCapacity))
                octets.copyMemory(from: lines, byteCount: wire.count)
                entries.update(from: first, count: located.count)
            }
            header.pointee.byteCount = UInt32(truncatingIfNeeded: wire.count)
            header.pointee.entryCount = UInt32(truncatingIfNeeded: located.count)
            header.pointee.traits = .unchecked
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
            header.pointee.traits.formUnion(.of(name, value))
        }
    }
}
