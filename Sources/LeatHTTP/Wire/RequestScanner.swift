import CBytes
import Glibc

/// Reads whole, ordinary request heads in one pass, straight from where they were received.
///
/// It takes what most requests are: a complete head of HTTP/1.1 in origin form, without or with a Content-Length, that asks for
/// nothing special. To anything else, and to anything near a limit, its answer is "no", and it has consumed nothing:
/// ``HTTPParser`` has the last word, and makes all errors. Both accept the same heads and yield the same values; a test
/// compares them.
///
/// The memory of a request is used again for the next one if nobody has kept it. Confined to its loop.
package final class RequestScanner {
    private let limits: CompactLimits
    /// The fields of the last request.
    @exclusivity(unchecked) private var fields: HTTPFieldStorage?
    /// The line of the last request. Clients often ask for the same thing again.
    @exclusivity(unchecked) private var line = HTTPRequestLine(method: .get, scheme: nil, authority: nil, path: nil)
    @exclusivity(unchecked) private var lastTarget = RememberedBytes()
    /// The last valid value of Host, and its text: a server has few names.
    @exclusivity(unchecked) private var lastHost = RememberedBytes()
    @exclusivity(unchecked) private var hostText = ""
    @exclusivity(unchecked) private var lastMethod = UsualMethod.get
    private let entries = UnsafeMutablePointer<HTTPFieldStorage.Entry>.allocate(capacity: RequestScanner.mostFields)

    // What the last head said.
    /// The value of Content-Length; -1 if there is none.
    @exclusivity(unchecked) private(set) var contentLength = -1
    @exclusivity(unchecked) private(set) var keepsAlive = true
    @inline(__always)
    var isHead: Bool { lastMethod == .head }

    private static var mostFields: Int { 64 }

    package init(limits: HTTPLimits) {
        self.limits = CompactLimits(limits)
    }

    deinit { entries.deallocate() }

    /// Reads a head at the beginning of the window. Returns its length, or 0 for "no".
    @inline(never)
    package func scan(_ window: UnsafeRawBufferPointer) -> Int {
        guard let base = window.baseAddress, window.count >= 18 else { return 0 }
        let count = min(window.count, Int(limits.head))
        let (method, targetStart) = Self.method(base)
        guard targetStart > 0, base.load(fromByteOffset: targetStart, as: UInt8.self) == ASCII.slash else { return 0 }
        let targetEnd = cbytes_first_non_target(base, targetStart, count)
        // " HTTP/1.1\r\n"
        guard count &- targetEnd >= 11, targetEnd &+ 9 <= Int(limits.startLine),
            base.load(fromByteOffset: targetEnd, as: UInt8.self) == ASCII.space,
            base.loadUnaligned(fromByteOffset: targetEnd &+ 1, as: UInt64.self) == Self.version,
            base.loadUnaligned(fromByteOffset: targetEnd &+ 9, as: UInt16.self) == Self.lineEnd
        else { return 0 }
        let start = targetEnd &+ 11
        let (end, found) = scanFields(base, start, count)
        guard end > 0 else { return 0 }
        keep(UnsafeRawBufferPointer(start: base + start, count: end &- start), found)
        let target = UnsafeRawBufferPointer(start: base + targetStart, count: targetEnd &- targetStart)
        if method != lastMethod || !lastTarget.equals(target) { renewLine(method, target) }
        return end &+ 2
    }

    /// The request whose head was read last.
    @inline(__always)
    package var request: HTTPRequest {
        var fields = HTTPFields()
        fields.storage = self.fields
        return HTTPRequest(line, fields)
    }

    private static var version: UInt64 { UInt64(littleEndian: 0x312E_312F_5054_5448) }
    private static var lineEnd: UInt16 { UInt16(littleEndian: 0x0A0D) }

    // MARK: The request line

    private enum UsualMethod: UInt8 {
        case get, head, post, put, patch, delete

        var method: HTTPRequest.Method {
            switch self {
            case .get: .get
            case .head: .head
            case .post: .post
            case .put: .put
            case .patch: .patch
            case .delete: .delete
            }
        }
    }

    /// The method at the beginning of 18 bytes or more, and where the target begins; 0 for a method that is not usual.
    @inline(__always)
    private static func method(_ base: UnsafeRawPointer) -> (UsualMethod, Int) {
        switch UInt32(littleEndian: base.loadUnaligned(as: UInt32.self)) {
        case 0x2054_4547: (.get, 4)  // "GET "
        case 0x2054_5550: (.put, 4)  // "PUT "
        case 0x4441_4548 where base.load(fromByteOffset: 4, as: UInt8.self) == ASCII.space: (.head, 5)
        case 0x5453_4F50 where base.load(fromByteOffset: 4, as: UInt8.self) == ASCII.space: (.post, 5)
        default: rareMethod(base)
        }
    }

    @inline(never)
    private static func rareMethod(_ base: UnsafeRawPointer) -> (UsualMethod, Int) {
        if memcmp(base, "PATCH ", 6) == 0 { return (.patch, 6) }
        if memcmp(base, "DELETE ", 7) == 0 { return (.delete, 7) }
        return (.get, 0)
    }

    @inline(never)
    private func renewLine(_ method: UsualMethod, _ target: UnsafeRawBufferPointer) {
        let path = target.count == 1 ? "/" : String(decoding: target, as: UTF8.self)
        if isKnownUniquelyReferenced(&line) {
            line.method = method.method
            line.authority = hostText
            line.path = path
        } else {
            line = HTTPRequestLine(method: method.method, scheme: nil, authority: hostText, path: path)
        }
        lastMethod = method
        lastTarget.remember(target)
    }

    // MARK: The fields

    /// Locates the field lines that begin at `start`. Returns where the empty line after them begins, and their number;
    /// (0, 0) for "no".
    @inline(__always)
    private func scanFields(_ base: UnsafeRawPointer, _ start: Int, _ count: Int) -> (end: Int, found: Int) {
        let longest = Int(limits.fieldLine)
        let most = min(Self.mostFields, Int(limits.fieldCount))
        var position = start
        var found = 0
        var seen = Seen()
        contentLength = -1
        keepsAlive = true
        while true {
            let room = count &- position
            guard room >= 2 else { return (0, 0) }
            let line = base + position
            if line.loadUnaligned(as: UInt16.self) == Self.lineEnd { break }
            guard found < most else { return (0, 0) }
            guard let nameLength = Self.nameLength(line, room) else { return (0, 0) }
            var valueStart = nameLength &+ 1
            while valueStart < room, ASCII.isWhitespace(line.load(fromByteOffset: valueStart, as: UInt8.self)) {
                valueStart &+= 1
            }
            let lineLength = cbytes_first_non_value(line, valueStart, room)
            guard room &- lineLength >= 2, lineLength <= longest,
                line.loadUnaligned(fromByteOffset: lineLength, as: UInt16.self) == Self.lineEnd
            else { return (0, 0) }
            var valueEnd = lineLength
            while valueEnd > valueStart, ASCII.isWhitespace(line.load(fromByteOffset: valueEnd &- 1, as: UInt8.self)) {
                valueEnd &-= 1
            }
            let value = UnsafeRawBufferPointer(start: line + valueStart, count: valueEnd &- valueStart)
            guard note(line, nameLength, value, &seen) else { return (0, 0) }
            let nameStart = UInt32(truncatingIfNeeded: position &- start)
            entries[found] = HTTPFieldStorage.Entry(
                nameStart: nameStart,
                nameLength: UInt32(truncatingIfNeeded: nameLength),
                valueStart: nameStart &+ UInt32(truncatingIfNeeded: valueStart),
                valueLength: UInt32(truncatingIfNeeded: value.count)
            )
            found &+= 1
            position &+= lineLength &+ 2
        }
        return seen.contains(.host) ? (position, found) : (0, 0)
    }

    /// The length of the name at the beginning of a line, if a colon follows it.
    @inline(__always)
    private static func nameLength(_ line: UnsafeRawPointer, _ room: Int) -> Int? {
        var length = cbytes_first_non_letter(line, 0, room)
        while length < room {
            let byte = line.load(fromByteOffset: length, as: UInt8.self)
            if byte == ASCII.colon { return length > 0 ? length : nil }
            guard ASCII.isToken(byte) else { return nil }
            length &+= 1
        }
        return nil
    }

    private struct Seen: OptionSet {
        var rawValue: UInt8
        static var host: Seen { Seen(rawValue: 1) }
        static var contentLength: Seen { Seen(rawValue: 2) }
    }

    /// Looks at one field. Returns false if it asks for something special, or may not be.
    @inline(__always)
    private func note(
        _ line: UnsafeRawPointer,
        _ nameLength: Int,
        _ value: UnsafeRawBufferPointer,
        _ seen: inout Seen
    ) -> Bool {
        switch nameLength {
        case 4 where line.isLetters("host"):
            return seen.insert(.host).inserted && (lastHost.equals(value) || learnHost(value))
        case 6 where line.isLetters("expect"), 7 where line.isLetters("upgrade"),
            17 where line.isLetters("transfer-encoding"):
            return false
        case 10 where line.isLetters("connection"):
            return noteConnection(value)
        case 14 where line.isLetters("content-length"):
            return seen.insert(.contentLength).inserted && noteContentLength(value)
        default:
            return true
        }
    }

    private func noteConnection(_ value: UnsafeRawBufferPointer) -> Bool {
        guard let start = value.baseAddress else { return false }
        if ASCII.equalsIgnoringCase(start, value.count, "keep-alive") { return true }
        guard ASCII.equalsIgnoringCase(start, value.count, "close") else { return false }
        keepsAlive = false
        return true
    }

    private func noteContentLength(_ value: UnsafeRawBufferPointer) -> Bool {
        guard let start = value.baseAddress, let length = ASCII.decimal(start, value.count) else { return false }
        contentLength = length
        return true
    }

    /// Remembers a new value of Host if it is valid.
    @inline(never)
    private func learnHost(_ value: UnsafeRawBufferPointer) -> Bool {
        guard let start = value.baseAddress, (try? Authority(parsing: start, value.count)) != nil else { return false }
        lastHost.remember(value)
        hostText = String(decoding: value, as: UTF8.self)
        lastTarget.forget()
        return true
    }

    @inline(__always)
    private func keep(_ wire: UnsafeRawBufferPointer, _ found: Int) {
        if !isKnownUniquelyReferenced(&fields)
            || !fields.unsafelyUnwrapped.canHold(entries: found, bytes: wire.count)
        {
            fields = .make(entries: found, bytes: wire.count)
        }
        fields.unsafelyUnwrapped.replace(wire, UnsafeBufferPointer(start: entries, count: found))
    }
}

extension UnsafeRawPointer {
    /// Whether a token that begins here spells `name`, which has four octets or more: lower-case letters and hyphens. With the bit
    /// set that makes letters lower-case, no other octet of a token becomes a letter or a hyphen.
    @inline(__always)
    fileprivate func isLetters(_ name: StaticString) -> Bool {
        let count = name.utf8CodeUnitCount
        let name = UnsafeRawPointer(name.utf8Start)
        var offset = 0
        while offset &+ 4 < count {
            if !isWord(name, at: offset) { return false }
            offset &+= 4
        }
        // The last four, which may overlap with those before.
        return isWord(name, at: count &- 4)
    }

    @inline(__always)
    private func isWord(_ name: UnsafeRawPointer, at offset: Int) -> Bool {
        loadUnaligned(fromByteOffset: offset, as: UInt32.self) | 0x2020_2020
            == name.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
    }
}

/// A short sequence of bytes, to see whether the next one is the same.
private struct RememberedBytes: ~Copyable {
    private let bytes = UnsafeMutableRawPointer.allocate(byteCount: RememberedBytes.longest, alignment: 8)
    private var count = -1

    private static var longest: Int { 256 }

    init() {}

    deinit { bytes.deallocate() }

    @inline(__always)
    func equals(_ other: UnsafeRawBufferPointer) -> Bool {
        guard other.count == count, let start = other.baseAddress else { return false }
        return memcmp(start, bytes, count) == 0
    }

    mutating func remember(_ other: UnsafeRawBufferPointer) {
        count = -1
        guard other.count <= Self.longest, let start = other.baseAddress else { return }
        bytes.copyMemory(from: start, byteCount: other.count)
        count = other.count
    }

    mutating func forget() { count = -1 }
}
