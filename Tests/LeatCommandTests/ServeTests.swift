import CommandKit
import LeatHTTP
import Testing

@testable import LeatCommand

@Suite struct ServeTests {
    @Test(arguments: [
        ("/", "."), ("/a/b", "a/b"), ("/a//b/", "a/b"), ("/a%20b", "a b"), ("/x?../y", "x"), ("/%C3%A9", "é"),
        ("/...", "..."),
    ])
    func aTargetNamesAFileBelowTheDirectory(target: String, path: String) {
        #expect(RequestPath.file(for: target) == Array(path.utf8))
    }

    @Test(arguments: [
        "/..", "/a/../b", "/%2e%2e/etc", "/a%2fb", "/a%00", "/%", "/%4", "/%zz", "*", "http://a/b",
    ])
    func aTargetThatLeadsElsewhereNamesNothing(target: String) {
        #expect(RequestPath.file(for: target) == nil)
    }

    @Test func aTargetCanNameAFileWhoseNameIsNotUTF8() {
        #expect(RequestPath.file(for: "/a/%ff%FE.txt") == Array("a/".utf8) + [0xFF, 0xFE] + Array(".txt".utf8))
    }

    @Test func rangesAreThoseOfTheStandard() {
        #expect(ByteRange("bytes=0-9", size: 100) == .part(0..<10))
        #expect(ByteRange("bytes=90-", size: 100) == .part(90..<100))
        #expect(ByteRange("bytes=-5", size: 100) == .part(95..<100))
        #expect(ByteRange("bytes=50-999", size: 100) == .part(50..<100))
        #expect(ByteRange("bytes=-999", size: 100) == .part(0..<100))
        #expect(ByteRange("bytes=100-", size: 100) == .unsatisfiable)
        #expect(ByteRange("bytes=-0", size: 100) == .unsatisfiable)
        for ignored in ["bytes=9-0", "bytes=0-1,3-4", "bytes=", "bytes=+1-2", "lines=1-2", "bytes=a-b"] {
            #expect(ByteRange(ignored, size: 100) == .whole)
        }
        #expect(ByteRange(nil, size: 100) == .whole)
    }

    @Test func datesAreReadInTheirThreeForms() {
        let seconds = 784_111_777
        #expect(HTTPDate.format(seconds) == "Sun, 06 Nov 1994 08:49:37 GMT")
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            #expect(HTTPDate.parse(text) == seconds)
        }
        for text in [
            "", "yesterday", "Sun, 06 Nov 1994 08:49:37", "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:00:00 GMT",
        ] {
            #expect(HTTPDate.parse(text) == nil)
        }
    }

    @Test(arguments: [
        [], ["a", "b"], ["--echo", "a"], ["--port", "70000", "a"], ["--host", "localhost", "a"], ["--nope"],
        ["--unix", "s", "--port", "1", "a"], ["--unix", "", "a"],
    ])
    func aCommandLineThatIsWrongIsRefused(words: [String]) {
        #expect(throws: UsageError.self) { try ServeOptions(parsing: words) }
    }
}
