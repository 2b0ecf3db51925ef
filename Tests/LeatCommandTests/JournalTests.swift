import CommandKit
import Glibc
import Leat
import Testing

@testable import LeatCommand

@Suite struct JournalTests {
    private static func line(_ id: String, _ url: String, error: String? = nil) -> String {
        var result = FetchResult(id: .string(id), url: url, attempts: 1, seconds: 0.5, error: error)
        if error == nil { result.status = 200 }
        return String(decoding: result.line(bodyForm: .text), as: UTF8.self)
    }

    private static func request(_ id: String, _ url: String) throws -> FetchRequest {
        try FetchRequest(line: #"{"id":"\#(id)","url":"\#(url)"}"#, number: 1)
    }

    /// Runs a body with the path of a file that has this content; returns what it has afterwards.
    @discardableResult
    private func withFile(_ content: String, _ body: (String) throws -> Void) throws -> String {
        var template = Array("/tmp/leat-journal-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        let path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        defer {
            close(descriptor)
            unlink(path)
        }
        #expect(StandardStream.writeAll(Array(content.utf8), to: descriptor) == 0)
        try body(path)
        var bytes = [UInt8](repeating: 0, count: content.utf8.count + 100)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    @Test func aRequestWithAResultIsKnownByItsIdAndURL() throws {
        let content =
            Self.line("a", "http://h/1") + "\n" + Self.line("b", "http://h/2", error: "connect: no") + "\n"
        let after = try withFile(content) { path in
            let journal = try Journal(path: path)
            #expect(journal.keys.count == 1 && journal.tornBytes == 0)
            #expect(journal.keys.contains(try Self.request("a", "http://h/1")))
            for (id, url) in [("a", "http://h/2"), ("c", "http://h/1"), ("b", "http://h/2")] {
                #expect(!journal.keys.contains(try Self.request(id, url)))
            }
        }
        #expect(after == content)
    }

    @Test func anIdIsTheSameHoweverItIsWritten() throws {
        var keys = JournalKeys()
        try keys.insert(line: Array(#"{"id":"\u00e9", "url":"http:\/\/h/", "status":200}"#.utf8)[...])
        try keys.insert(line: Array(#"{"id":12,"url":"http://h/","status":500}"#.utf8)[...])
        #expect(keys.contains(try Self.request("é", "http://h/")))
        #expect(keys.contains(try FetchRequest(line: "http://h/", number: 12)))
        #expect(!keys.contains(try FetchRequest(line: "http://h/", number: 13)))
        #expect(!keys.contains(try Self.request("12", "http://h/")))
    }

    @Test func aLastLineIsCutOffWhereverItWasTorn() throws {
        let whole = Self.line("a", "http://h/1") + "\n"
        let last = Self.line("b", "http://h/2")
        for length in 1...last.utf8.count {
            let after = try withFile(whole + last.prefix(length)) { path in
                let journal = try Journal(path: path)
                #expect(journal.keys.count == 1 && journal.tornBytes == length)
            }
            #expect(after == whole)
        }
    }

    @Test(arguments: [
        ("nonsense\n", 1), ("\n", 1), ("[1]\n", 1), (#"{"id":1,"url":"http://h/"}"# + "\n", 1),
        (line("a", "http://h/") + "\n" + #"{"id":"b","ur"# + "\n" + line("c", "http://h/") + "\n", 2),
        // Not the beginning of a result: somebody's file, named by mistake.
        ("http://h/1\nhttp://h/2\n", 1), ("important", 1), (line("a", "http://h/") + "\nimportant", 2),
    ])
    func aLineThatIsNoResultIsAnErrorWithItsNumberAndTheFileIsLeftAlone(content: String, line: Int) throws {
        let after = try withFile(content) { path in
            let error = #expect(throws: UsageError.self) { try Journal(path: path) }
            #expect(error?.description.hasPrefix("line \(line) of the journal \(path) is not") == true)
        }
        #expect(after == content)
    }

    @Test func onlyOneRunAtATimeHasTheJournal() throws {
        try withFile("") { path in
            let first = try Journal(path: path)
            let error = #expect(throws: UsageError.self) { try Journal(path: path) }
            #expect(error?.description.contains("another process") == true)
            withExtendedLifetime(first) {}
        }
    }

    @Test func aJournalIsARegularFileThatCanBeOpened() {
        for path in ["/dev/null", "/tmp", "/nowhere/at/all"] {
            #expect(throws: UsageError.self) { try Journal(path: path) }
        }
    }

    @Test func linesComeOutWholeHoweverTheyWereRead() {
        let text = Array("one\n\nthree\r\nrest".utf8)
        for size in 1...text.count {
            var buffer = LineBuffer()
            var lines: [String] = []
            for start in stride(from: 0, to: text.count, by: size) {
                buffer.append(text[start..<min(start + size, text.count)])
                while let line = buffer.next() { lines.append(String(decoding: line, as: UTF8.self)) }
            }
            #expect(lines == ["one", "", "three\r"] && buffer.pending == 4)
            #expect(Array(buffer.takeRest()) == Array("rest".utf8) && buffer.pending == 0)
        }
    }
}
