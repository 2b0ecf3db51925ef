import LeatHTTP
import Testing

@Suite struct MessagesFieldsTests {
    private func name(_ text: String) -> HTTPField.Name { HTTPField.Name(text)! }

    @Test func aNameIsATokenAndIgnoresCase() {
        #expect(HTTPField.Name("X-Foo")?.rawName == "X-Foo")
        #expect(HTTPField.Name("X-Foo")?.canonicalName == "x-foo")
        #expect(name("CONTENT-LENGTH") == .contentLength)
        #expect(Set([name("a-long-field-name"), name("A-Long-Field-Name")]).count == 1)
        #expect(name("X^") != name("X~"))
        #expect(name("X-1") != name("X\u{2a}1"))
        for bad in ["", "a b", "a:", "a\r\n", "a\u{0}", "é", "(a)", "a/b", " a", "\u{212A}", "[a]"] {
            #expect(HTTPField.Name(bad) == nil, "\(bad)")
        }
    }

    @Test func aValueWithControlCharactersIsNotValid() {
        for good in ["", "a", "a b", "\ta", "é", "a, b; c=\"d\"", String(repeating: "x", count: 100) + "\t"] {
            #expect(HTTPField(name: .accept, value: good).isValid)
        }
        for bad in ["\r\n", "a\rb", "a\nb", "\u{0}", "12345678\u{1}", "1234567\u{7f}", "a\u{b}"] {
            #expect(!HTTPField(name: .accept, value: bad).isValid)
            #expect(!HTTPField.isValidValue(bad))
        }
    }

    @Test func readingJoinsAndWritingReplaces() {
        var fields: HTTPFields = [.accept: "a", .host: "h", .accept: "b", .cookie: "c=1", .cookie: "d=2"]
        #expect(fields.count == 5)
        #expect(fields[.accept] == "a, b")
        #expect(fields[.cookie] == "c=1; d=2")
        #expect(fields[name("ACCEPT")] == "a, b")
        #expect(fields[.server] == nil)
        fields[.accept] = "x"
        #expect(fields == [.accept: "x", .host: "h", .cookie: "c=1", .cookie: "d=2"])
        fields[.cookie] = nil
        fields[.server] = "s"
        #expect(fields.map(\.description) == ["Accept: x", "Host: h", "Server: s"])
        fields[values: .host] = ["1", "2"]
        #expect(fields[values: .host] == ["1", "2"])
        #expect(fields.map(\.name) == [.accept, .host, .host, .server])
        fields[values: .host] = []
        fields[values: .accept] = []
        #expect(fields == [.server: "s"])
        fields.removeAll(.date)
        fields.removeAll(.server)
        #expect(fields.isEmpty)
        #expect(fields == [:])
    }

    @Test func aCollectionHasValueSemantics() {
        let one: HTTPFields = [.accept: "a"]
        var two = one
        two.append(HTTPField(name: .accept, value: "b"))
        #expect(one.count == 1)
        #expect(two[values: .accept] == ["a", "b"])
        #expect(HTTPFields(two) == two)
        two.removeAll()
        #expect(two.isEmpty)
    }

    /// Against a plain array, with copies taken on the way, which must stay as they were.
    @Test(arguments: 0..<50) func aCollectionBehavesAsAnArrayOfFields(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let names: [HTTPField.Name] = [.accept, .host, .cookie, name("x"), name("A-Name-Of-Some-Length"), .setCookie]
        var fields = HTTPFields()
        var model: [HTTPField] = []
        var copies: [(HTTPFields, [HTTPField])] = []
        for _ in 0..<200 {
            let name = names.randomElement(using: &generator)!
            let value = String(repeating: "v", count: Int.random(in: 0...40, using: &generator))
            switch Int.random(in: 0..<10, using: &generator) {
            case 0:
                copies.append((fields, model))
            case 1:
                fields[name] = nil
                model.removeAll { $0.name == name }
            case 2:
                fields[name] = value
                let first = model.firstIndex { $0.name == name } ?? model.count
                model.removeAll { $0.name == name }
                model.insert(HTTPField(name: name, value: value), at: first)
            case 3 where !copies.isEmpty:
                (fields, model) = copies.randomElement(using: &generator)!
            default:
                fields.append(HTTPField(name: name, value: value))
                model.append(HTTPField(name: name, value: value))
            }
            #expect(Array(fields) == model)
            #expect(fields[values: name] == model.filter { $0.name == name }.map(\.value))
            let wire = fields.withBytes { String(decoding: $0, as: UTF8.self) }
            #expect(wire == model.map { "\($0.name.rawName): \($0.value)\r\n" }.joined())
        }
        for (copy, model) in copies { #expect(Array(copy) == model) }
    }

    /// If each copy were made with room for twice as much, this would take more than there is.
    @Test func aCopyThatGrowsIsNoLargerThanItMustBe() {
        var fields: HTTPFields = [.accept: "a"]
        for number in 2...200 {
            let kept = fields
            fields.append(HTTPField(name: .accept, value: "a"))
            #expect(kept.count == number - 1 && fields.count == number)
        }
    }

    @Test func equalityKeepsTheOrderAndIgnoresTheCaseOfNames() {
        let fields: HTTPFields = [.accept: "a", .host: "b"]
        let same: HTTPFields = [name("ACCEPT"): "a", name("hOST"): "b"]
        #expect(fields == same)
        #expect(fields.hashValue == same.hashValue)
        #expect(fields != [.host: "b", .accept: "a"])
        #expect(fields != [.accept: "A", .host: "b"])
        #expect(fields != [.accept: "a"])
        #expect(fields != [.accept: "ab", .host: ""])
    }

    @Test func valuesThatAreNotUTF8KeepTheirBytes() {
        var fields = HTTPFields()
        let name = Array("X".utf8)
        name.withUnsafeBytes { name in
            [UInt8]([0x61, 0xE9]).withUnsafeBytes { fields.appendRaw(name: name, value: $0) }
        }
        #expect(fields[self.name("x")] == "a\u{FFFD}")
        #expect(fields.withValueBytes(of: self.name("x")) { Array($0) } == [0x61, 0xE9])
        #expect(fields.withValueBytes(of: .host) { Array($0) } == nil)
    }

    @Test func tokensOfListsAreFound() {
        let fields: HTTPFields = [.connection: "foo,  Close ,", .connection: "Keep-Alive", .te: ""]
        #expect(fields.contains(token: "close", in: .connection))
        #expect(fields.contains(token: "keep-alive", in: .connection))
        #expect(!fields.contains(token: "clos", in: .connection))
        #expect(!fields.contains(token: "trailers", in: .te))
        #expect(fields.count(of: .connection) == 2)
    }

    @Test func statusesKnowTheirPhraseAndKind() {
        #expect(HTTPResponse.Status.notFound.description == "404 Not Found")
        #expect(HTTPResponse.Status(code: 418).reasonPhrase == "I'm a teapot")
        #expect(HTTPResponse.Status(code: 299).description == "299")
        #expect(HTTPResponse.Status(code: 200, reasonPhrase: "Fine") == .ok)
        #expect(HTTPResponse.Status.`continue`.kind == .informational)
        #expect(
            [200, 302, 404, 500, 999].map { HTTPResponse.Status(code: $0).kind }
                == [.successful, .redirection, .clientError, .serverError, .invalid]
        )
    }

    @Test func methodsAreTokens() {
        #expect(HTTPRequest.Method("GET") == .get)
        #expect(HTTPRequest.Method("get") != .get)
        #expect(HTTPRequest.Method("M-SEARCH")?.rawValue == "M-SEARCH")
        for bad in ["", "G T", "GET\r\n", "GÉT", "GET /"] { #expect(HTTPRequest.Method(bad) == nil) }
    }
}
