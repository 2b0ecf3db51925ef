import CBytes
import Glibc

/// Reads a whole, ordinary request head in one pass, straight from the memory in which it was received.
///
/// A head is ordinary if all of the following holds:
/// - It is complete, and within the limits.
/// - Its version is HTTP/1.1, its method is a common one, and its target is in origin form without percent-encoding.
/// - It has exactly one `Host`, which is valid and not empty, and at most one `Content-Length`.
/// - Each `Connection` says just `keep-alive` or `close`. There is no `Transfer-Encoding`, `Expect` or `Upgrade`.
///
/// To every other head the answer is "no". A "no" consumes nothing, and the last request stays as it was. ``HTTPParser`` then
/// reads the head. The parser is exact, and it alone reports errors. It accepts every head that the scanner accepts, and finds
/// the same in it: `WireScannerTests` and the fuzz target `scanner` compare the two.
///
/// The scanner reuses the memory of the last request unless somebody has kept that request. It is confined to its loop.
package final class RequestScanner {
    private let limits: CompactLimits
    /// The fields of the last request.
    @exclusivity(unchecked) private var fields: HTTPFieldStorage?
    /// The line of the last request. It is used again when a client repeats the request.
    @exclusivity(unchecked) private var line = HTTPRequestLine(method: .get, scheme: nil, authority: nil, path: nil)
    /// The method and the target in `line`. The target is forgotten when `line` no longer fits `hostText`.
    @exclusivity(unchecked) private var lastMethod = UsualMethod.get
    @exclusivity(unchecked) private var lastTarget = RememberedBytes()
    /// The last valid value of `Host`, and its text. A server has few names.
    @exclusivity(unchecked) private var lastHost = RememberedBytes()
    @exclusivity(unchecked) private var hostText = ""
    /// Where the fields of the current head lie.
    private let entries = UnsafeMutablePointer<HTTPFieldStorage.Entry>.allocate(capacity: RequestScanner.mostFields)

    /// The value of `Content-Length` in the last request; -1 if there is none.
    @exclusivity(unchecked) package private(set) var contentLength = -1
    /// Whether the connection may carry another request after the last one (RFC 9112 §9.3).
    @exclusivity(unchecked) package private(set) var keepsAlive = true
    /// Whether the method of the last request is `HEAD`.
    @inline(__always)
    package var isHead: Bool { lastMethod == .head }

    /// A head with more fields is not ordinary.
    private static var mostFields: Int { 64 }
    /// No complete head is shorter than `GET / HTTP/1.1` and two line ends.
    private static var shortestHead: Int { 18 }

    /// Makes a scanner that accepts no head beyond `limits`.
    package init(limits: HTTPLimits) {
        self.limits = CompactLimits(limits)
    }

    deinit { entries.deallocate() }

    /// Reads the head at the beginning of the window. Returns its length, or 0 for "no".
    @inline(never)
    package func scan(_ window: UnsafeRawBufferPointer) -> Int {
        // Nothing at or beyond `count` is read.
        let count = min(window.count, Int(limits.head))
        guard let base = window.baseAddress, count >= Self.shortestHead else { return 0 }
        let (method, targetStart) = Self.method(base)
        guard targetStart > 0, base.load(fromByteOffset: targetStart, as: UInt8.self) == ASCII.slash else { return 0 }
        let targetEnd = cbytes_first_non_target(base, targetStart, count)
        // " HTTP/1.1\r\n" has 11 bytes, 9 of which count for the length of the line.
        guard count &- targetEnd >= 11, targetEnd &+ 9 <= Int(limits.startLine),
            base.load(fromByteOffset: targetEnd, as: UInt8.self) == ASCII.space,
            base.loadUnaligned(fromByteOffset: targetEnd &+ 1, as: UInt64.self) == Self.version,
            Self.isLineEnd(base, targetEnd &+ 9)
        else { return 0 }
        let start = targetEnd &+ 11
        var findings = Findings()
        let (end, found) = scanFields(base, start, count, &findings)
        guard end > 0, let host = findings.host, lastHost.equals(host) || learnHost(host) else { return 0 }
        contentLength = findings.contentLength
        keepsAlive = findings.keepsAlive
        keep(UnsafeRawBufferPointer(start: base + start, count: end &- start), found)
        let target = UnsafeRawBufferPointer(start: base + targetStart, count: targetEnd &- targetStart)
        if method != lastMethod || !lastTarget.equals(target) { renewLine(method, target) }
        return end &+ 2
    }

    /// The last request.
    @inline(__always)
    package var request: HTTPRequest {
        var fields = HTTPFields()
        fields.storage = self.fields
        return HTTPRequest(line, fields)
    }

    /// The last request with what its head says, in the form in which the parser hands heads out: to compare the two.
    package var head: HTTPRequestHead {
        HTTPRequestHead(
            request: request,
            version: .http11,
            framing: contentLength < 0 ? .none : .length(contentLength),
            keepAlive: keepsAlive,
            expectsContinue: false,
            offersUpgrade: false
        )
    }

    /// "HTTP/1.1"
    private static var version: UInt64 { UInt64(littleEndian: 0x312E_312F_5054_5448) }

    /// Whether CR LF stands at the offset. Two bytes are read there.
    @inline(__always)
    fileprivate static func isLineEnd(_ bytes: UnsafeRawPointer, _ offset: Int) -> Bool {
        bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self) == UInt16(littleEndian: 0x0A0D)
    }

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

    /// The method at the beginning of at least `shortestHead` bytes, and where the target begins: 0 if the method is none of
    /// the usual ones.
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

    /// Makes `line` say `method`, `target` and `hostText`. A line that somebody has kept is left as it is.
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

    /// Remembers a new value of `Host`. Returns false if it is not valid.
    @inline(never)
    private func learnHost(_ value: UnsafeRawBufferPointer) -> Bool {
        guard let start = value.baseAddress, (try? Authority(parsing: start, value.count)) != nil else { return false }
        lastHost.remember(value)
        hostText = String(decoding: value, as: UTF8.self)
        lastTarget.forget()
        return true
    }

    // MARK: The fields

    /// Locates the field lines that begin at `start`. Returns where the empty line after them begins, and how many there are;
    /// (0, 0) for "no".
    @inline(__always)
    private func scanFields(
        _ base: UnsafeRawPointer,
        _ start: Int,
        _ count: Int,
        _ findings: inout Findings
    ) -> (end: Int, found: Int) {
        let longest = Int(limits.fieldLine)
        let most = min(Self.mostFields, Int(limits.fieldCount))
        var position = start
        var found = 0
        while true {
            let line = base + position
            let room = count &- position
            guard room >= 2 else { return (0, 0) }
            if Self.isLineEnd(line, 0) { return (position, found) }
            guard found < most, let parts = ScannedLine(line, room), parts.length <= longest, findings.note(line, parts)
            else { return (0, 0) }
            entries[found] = parts.entry(at: position &- start)
            found &+= 1
            position &+= parts.length &+ 2
        }
    }

    /// Copies the fields, into the memory of the last ones if nobody has kept those.
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

/// Where the parts of a field line are: `field-name ":" OWS field-value OWS CRLF` (RFC 9112 §5).
private struct ScannedLine {
    let nameLength: Int
    let valueStart: Int
    let valueEnd: Int
    /// The length of the line without its end.
    let length: Int

    /// Nil if the line is anything else, or is not complete within `room` bytes.
    @inline(__always)
    init?(_ line: UnsafeRawPointer, _ room: Int) {
        guard let nameLength = Self.nameLength(line, room) else { return nil }
        var start = nameLength &+ 1
        while start < room, ASCII.isWhitespace(line.load(fromByteOffset: start, as: UInt8.self)) { start &+= 1 }
        let length = cbytes_first_non_value(line, start, room)
        guard room &- length >= 2, RequestScanner.isLineEnd(line, length) else { return nil }
        var end = length
        while end > start, ASCII.isWhitespace(line.load(fromByteOffset: end &- 1, as: UInt8.self)) { end &-= 1 }
        self.nameLength = nameLength
        valueStart = start
        valueEnd = end
        self.length = length
    }

    /// The length of the name; nil unless it is a token and a colon follows it.
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

    /// The entry of the field if its line begins at `start` of all field lines.
    @inline(__always)
    func entry(at start: Int) -> HTTPFieldStorage.Entry {
        let start = UInt32(truncatingIfNeeded: start)
        return HTTPFieldStorage.Entry(
            nameStart: start,
            nameLength: UInt32(truncatingIfNeeded: nameLength),
            valueStart: start &+ UInt32(truncatingIfNeeded: valueStart),
            valueLength: UInt32(truncatingIfNeeded: valueEnd &- valueStart)
        )
    }
}

/// What the fields of a head say about the connection and the body.
private struct Findings {
    /// The value of `Host`, not checked yet; nil as long as there is none.
    var host: UnsafeRawBufferPointer?
    var contentLength = -1
    var keepsAlive = true

    /// Looks at one field. Returns false if the field makes the head an unusual or a wrong one.
    @inline(__always)
    mutating func note(_ line: UnsafeRawPointer, _ parts: ScannedLine) -> Bool {
        let value = UnsafeRawBufferPointer(start: line + parts.valueStart, count: parts.valueEnd &- parts.valueStart)
        switch parts.nameLength {
        case 4 where line.isLetters("host"):
            if host != nil { return false }
            host = value
            return true
        case 6 where line.isLetters("expect"), 7 where line.isLetters("upgrade"),
            17 where line.isLetters("transfer-encoding"):
            return false
        case 10 where line.isLetters("connection"):
            return noteConnection(value)
        case 14 where line.isLetters("content-length"):
            return noteContentLength(value)
        default:
            return true
        }
    }

    private mutating func noteConnection(_ value: UnsafeRawBufferPointer) -> Bool {
        guard let start = value.baseAddress else { return false }
        if ASCII.equalsIgnoringCase(start, value.count, "keep-alive") { return true }
        guard ASCII.equalsIgnoringCase(start, value.count, "close") else { return false }
        keepsAlive = false
        return true
    }

    private mutating func noteContentLength(_ value: UnsafeRawBufferPointer) -> Bool {
        guard contentLength < 0, let start = value.baseAddress, let length = ASCII.decimal(start, value.count) else {
            return false
        }
        contentLength = length
        return true
    }
}

extension UnsafeRawPointer {
    /// Whether a token that begins here spells `name`, whatever the case of its letters. `name` has four octets or more, all of
    /// them lower-case letters and hyphens. Each octet is compared with the bit set that makes letters lower-case. That bit makes
    /// no other octet of a token a letter or a hyphen.
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

/// A copy of a short sequence of bytes, to see whether the next one is the same. A sequence that is too long to keep equals none.
private struct RememberedBytes: ~Copyable {
    private let bytes = UnsafeMutableRawPointer.allocate(byteCount: RememberedBytes.longest, alignment: 8)
    /// -1 as long as nothing is remembered.
    private var count = -1

    private static var longest: Int { 256 }

    init() {}

    deinit { bytes.deallocate() }

    @inline(__always)
    func equals(_ other: UnsafeRawBufferPointer) -> Bool {
        guard other.count == count, let start = other.baseAddress else { return false }
        // Most are short: a call of memcmp(3) would cost more than the comparison.
        guard count >= 8, count <= 16 else {
            return count == 1
                ? start.load(as: UInt8.self) == bytes.load(as: UInt8.self) : memcmp(start, bytes, count) == 0
        }
        let last = count &- 8
        return start.loadUnaligned(as: UInt64.self) == bytes.loadUnaligned(as: UInt64.self)
            && start.loadUnaligned(fromByteOffset: last, as: UInt64.self)
                == bytes.loadUnaligned(fromByteOffset: last, as: UInt64.self)
    }

    mutating func remember(_ other: UnsafeRawBufferPointer) {
        count = -1
        guard other.count <= Self.longest, let start = other.baseAddress else { return }
        bytes.copyMemory(from: start, byteCount: other.count)
        count = other.count
    }

    mutating func forget() { count = -1 }
}
