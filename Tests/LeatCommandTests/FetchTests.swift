import CommandKit
import Leat
import LeatHTTP
import Testing

@testable import LeatCommand

@Suite struct FetchTests {
    @Test func optionsAreTakenInEveryForm() throws {
        let options = try FetchOptions(parsing: [
            "--concurrency=7", "--retry", "4", "--timeout", "1.5", "--header", "A: b", "-H", "C:d", "--max-body", "64K",
            "--body", "base64", "http://a/", "--", "--odd",
        ])
        #expect(options.concurrency == 7 && options.retries == 4 && options.timeout == .seconds(1.5))
        #expect(options.maximumBody == 65536 && options.bodyForm == .base64)
        #expect(options.headerFields.map(\.value) == ["b", "d"])
        #expect(options.urls == ["http://a/", "--odd"])
        let batch = try FetchOptions(parsing: [
            "--rate", "90/m", "--per-host=6", "--max-errors", "3", "--resume", "j", "--save-remaining", "r",
            "--shard=1/4",
        ])
        #expect(batch.rate == 1.5 && batch.perHost == 6 && batch.maximumErrors == 3)
        #expect(batch.journal == "j" && batch.remaining == "r" && batch.shard == Shard(index: 1, count: 4))
        #expect(try FetchOptions(parsing: ["--unix", "/run/x"]).unixSocket?.unixPath == "/run/x")
        #expect(try FetchOptions(parsing: []).readsInput)
        #expect(try FetchOptions(parsing: ["-"]).readsInput)
    }

    @Test(arguments: [
        ["--nope"], ["--concurrency"], ["--concurrency", "0"], ["--concurrency", "+1"], ["--timeout", "soon"],
        ["--timeout", "0"], ["--header", "novalue"], ["--header", "a b: c"], ["--max-body", "1X"], ["--body", "html"],
        ["-", "http://a/"], ["--per-host", "0"], ["--max-errors", "0"], ["--shard", "4/4"], ["--shards", "4"],
        ["--shard", "0/4", "--shards", "4"], ["--proxy", ""], ["--proxy", "https://p"], ["--unix", ""],
    ])
    func aCommandLineThatIsWrongIsRefused(words: [String]) {
        #expect(throws: UsageError.self) { try FetchOptions(parsing: words) }
    }

    @Test func aProxyIsTheOneGivenOrTheEnvironments() throws {
        func proxy(_ words: [String], _ variables: [String: String]) throws -> HTTPProxyConfiguration {
            try FetchOptions(parsing: words) { variables[$0] }.proxy
        }
        let variables = ["http_proxy": "a:1", "no_proxy": "x.example"]
        #expect(try proxy([], [:]) == .none)
        #expect(try proxy([], variables) == HTTPProxyConfiguration(http: "a:1", exceptions: "x.example"))
        #expect(try proxy(["--proxy", "b:2"], variables) == .via("b:2", except: "x.example"))
        #expect(try proxy(["--proxy", "none"], variables) == .none)
        #expect(throws: UsageError.self) { try proxy([], ["all_proxy": "socks5://p"]) }
        #expect(try proxy(["--proxy", "none"], ["all_proxy": "socks5://p"]) == .none)
    }

    @Test func aLineIsAURLOrAnObject() throws {
        let plain = try FetchRequest(line: "http://a/b", number: 3)
        #expect(plain.id == .number("3") && plain.method == .get && plain.body == nil)
        let full = try FetchRequest(
            line: #"{"id":"x","method":"PUT","url":"http://a/","headers":[["A","1"],["A","2"]],"body_base64":"aGk="}"#,
            number: 1
        )
        #expect(full.id == .string("x") && full.method == .put && full.body == Array("hi".utf8))
        #expect(full.headerFields.map(\.value) == ["1", "2"])
        let post = try FetchRequest(line: #"{"url":"http://a/","data":"é","headers":{"B":"c"}}"#, number: 1)
        #expect(post.method == .post && post.body == Array("é".utf8))
        let common: HTTPFields = [.accept: "x", HTTPField.Name("B")!: "other"]
        #expect(post.headerFields(with: common).map(\.value) == ["c", "x"])
    }

    @Test(arguments: [
        "nonsense", #"{"id":1}"#, #"{"url":5}"#, "{", #"{"url":"http://a/","data":"x","body_base64":"eA=="}"#,
        #"{"url":"http://a/","method":"GET /"}"#, #"{"url":"http://a/","headers":{"A":"b\r\nC: d"}}"#,
        #"{"url":"http://a/","headers":["A"]}"#, #"{"url":"http://a/","body_base64":"?"}"#,
    ])
    func aLineThatIsWrongIsRefusedWithAReason(line: String) {
        let failure = #expect(throws: FetchRequest.Failure.self) { try FetchRequest(line: line, number: 1) }
        #expect(failure?.reason.isEmpty == false)
    }

    @Test func aLineThatIsSavedKeepsItsId() throws {
        func saved(_ line: String) -> String {
            String(decoding: FetchRequest.selfContained(line, number: 7), as: UTF8.self)
        }
        #expect(saved("http://h/") == #"{"id":7,"url":"http://h/"}"#)
        #expect(saved(#"{"url":"http://h/","data":"é"}"#) == #"{"id":7,"url":"http://h/","data":"é"}"#)
        #expect(saved(#"{"id":"x","url":"http://h/"}"#) == #"{"id":"x","url":"http://h/"}"#)
        #expect(saved("{broken") == "{broken")
        let again = try FetchRequest(line: saved("http://h/"), number: 1)
        #expect(again.id == .number("7") && again.text == "http://h/")
    }

    @Test func aResultIsOneLineOfJSON() {
        var result = FetchResult(
            id: .string("a"),
            url: "http://a/",
            status: 200,
            attempts: 2,
            seconds: 1.25,
            body: [0x68]
        )
        let start = #"{"id":"a","url":"http://a/","status":200,"attempts":2,"bytes":1,"seconds":1.250000"#
        #expect(String(decoding: result.line(bodyForm: .text), as: UTF8.self) == start + #","body":"h"}"#)
        #expect(String(decoding: result.line(bodyForm: .none), as: UTF8.self) == start + "}")
        result.body = [0xFF]
        #expect(String(decoding: result.line(bodyForm: .text), as: UTF8.self) == start + #","body_base64":"/w=="}"#)
    }
}
