import Glibc
import Testing

@testable import LeatHTTP

/// Memory that ends where a page begins that cannot be read: one octet too many ends the process.
final class GuardedMemory {
    private let map: UnsafeMutableRawPointer
    private let size: Int
    private let page = Int(sysconf(Int32(_SC_PAGESIZE)))

    init(pages: Int = 32) {
        size = pages * page
        guard let map = mmap(nil, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            map != MAP_FAILED, mprotect(map + size, page, PROT_NONE) == 0
        else { fatalError("no memory: \(errno)") }
        self.map = map
    }

    deinit { munmap(map, size + page) }

    /// A copy of the bytes that ends where the memory does. Good until the next one.
    func place(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
        let start = map + (size - bytes.count)
        bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: start, count: $0.count).copyMemory(from: $0) }
        return UnsafeRawBufferPointer(start: start, count: bytes.count)
    }
}

/// Holds a scanner to what a fresh parser says about the same bytes.
///
/// The scanner has to accept a head if the parser accepts it and it is ordinary, and no other. It has to find the same in it. After
/// a "no" the scanner still has to say what it said before.
final class ScannerCheck {
    /// What the parser found, with all bytes of the fields: `==` on fields does not regard the case of names.
    struct Head {
        var head: HTTPRequestHead
        var fields: [UInt8]
        var names: [Int]

        init(_ head: HTTPRequestHead) {
            self.head = head
            fields = head.request.headerFields.withBytes { Array($0) }
            names = head.request.headerFields.map(\.name.rawName.utf8.count)
        }

        func fits(_ request: HTTPRequest) -> Bool {
            request == head.request && request.headerFields.withBytes { $0.elementsEqual(fields) }
                && request.headerFields.map(\.name.rawName.utf8.count) == names
        }
    }

    private let limits: HTTPLimits
    private let memory: GuardedMemory
    let scanner: RequestScanner
    /// What the scanner accepted last.
    private(set) var last: Head?
    private(set) var accepted = 0
    private(set) var refused = 0

    init(limits: HTTPLimits = HTTPLimits(), memory: GuardedMemory = GuardedMemory()) {
        self.limits = limits
        self.memory = memory
        scanner = RequestScanner(limits: limits)
    }

    /// Scans the bytes, and records what is wrong. Returns what the scanner said.
    @discardableResult
    func callAsFunction(_ bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) -> Int {
        let window = memory.place(bytes)
        let length = scanner.scan(window)
        func fail(_ reason: String) {
            let text = String(decoding: bytes, as: UTF8.self).debugDescription
            Issue.record("\(reason): \(text)", sourceLocation: sourceLocation)
        }
        var parser = HTTPParser(role: .request, limits: limits)
        var consumed = 0
        if case .head? = try? parser.parse(window, consumed: &consumed) {
            let head = parser.takeRequestHead()
            let isOrdinary = Self.isOrdinary(head, first: bytes[0])
            if length != (isOrdinary ? consumed : 0) { fail("\(length), not \(consumed), ordinary: \(isOrdinary)") }
            if length > 0 { last = Head(head) }
        } else if length != 0 {
            fail("\(length), but the parser refuses it")
        }
        if length > 0 { accepted += 1 } else { refused += 1 }
        if let difference = difference() { fail("\(length > 0 ? "accepted" : "refused"), with \(difference)") }
        return length
    }

    func callAsFunction(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) -> Int {
        self(Array(text.utf8), sourceLocation: sourceLocation)
    }

    /// What the scanner says that it should not.
    private func difference() -> String? {
        guard let last else { return scanner.contentLength == -1 && scanner.keepsAlive ? nil : "facts without a head" }
        if !last.fits(scanner.request) || scanner.head != last.head { return "another head: \(scanner.head)" }
        if scanner.isHead != (last.head.request.method == .head) { return "isHead \(scanner.isHead)" }
        return nil
    }

    /// What the documentation of the scanner calls ordinary, found in what the parser has accepted.
    private static func isOrdinary(_ head: HTTPRequestHead, first: UInt8) -> Bool {
        let methods: [HTTPRequest.Method] = [.get, .head, .post, .put, .patch, .delete]
        let fields = head.request.headerFields
        let path = head.request.path ?? ""
        return head.version == .http11 && methods.contains(head.request.method) && first != 0x0D
            && path.utf8.first == 0x2F && !path.utf8.contains(0x25)
            && fields.count <= 64 && fields[.host] != ""
            && fields[values: .connection].allSatisfy { ["close", "keep-alive"].contains(asciiLowercase($0)) }
            && !fields.contains(.transferEncoding) && !fields.contains(.expect) && !fields.contains(.upgrade)
    }

    private static func asciiLowercase(_ text: String) -> String {
        String(decoding: text.utf8.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }, as: UTF8.self)
    }
}

/// Observes requests as a server parses them: a scanner is asked before the parser.
func observeScanning(
    _ input: [UInt8],
    limits: HTTPLimits = HTTPLimits(),
    cuts: some Sequence<Int> = EmptyCollection<Int>()
) -> [Observed] {
    observe(input, .request, limits: limits, scanner: RequestScanner(limits: limits), cuts: cuts)
}
