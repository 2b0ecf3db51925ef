import CommandKit
import LeatHTTP
import Testing

@testable import LeatCommand

@Suite struct JSONTests {
    @Test(arguments: [
        #"{"a":[1,-2.5e3,true,false,null,"x"]}"#, #""\"\\\n\t""#, "[]", "{}", #""é😀""#, "0", "-0.1E+2",
    ])
    func aValueComesOutAsItWentIn(text: String) throws {
        #expect(try JSONParser.parse(Array(text.utf8)).text == text)
    }

    @Test func escapesAreUnderstood() throws {
        let value = try JSONParser.parse(Array(#""\u0041\ud83d\ude00\/\b\f""#.utf8))
        #expect(value.string == "A😀/\u{8}\u{C}")
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "01", "1.", "+1", "'a'", "\"\u{1}\"", #""\x""#,
        #""\ud83d""#,
        "nul", "1 2", "[1 2]", "\"a", String(repeating: "[", count: 100),
    ])
    func whatIsNotJSONIsRefused(text: String) {
        #expect(throws: JSONError.self) { try JSONParser.parse(Array(text.utf8)) }
    }

    @Test func indentedTextIsTheSameValue() throws {
        let text = #"{"a":[1,[],{}],"b":{"c":null}}"#
        let value = try JSONParser.parse(Array(text.utf8))
        #expect(
            value.indentedText == """
                {
                  "a": [
                    1,
                    [],
                    {}
                  ],
                  "b": {
                    "c": null
                  }
                }
                """
        )
        #expect(try JSONParser.parse(Array(value.indentedText.utf8)) == value)
    }

    @Test func controlCharactersAreEscaped() {
        #expect(JSON.string("\u{0}\u{1F}\u{7F}").text == #""\u0000\u001f\u007f""#)
    }

    @Test func base64IsThatOfTheStandard() {
        let vectors = ["": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg==", "fooba": "Zm9vYmE="]
        for (plain, encoded) in vectors {
            #expect(Base64.encode(Array(plain.utf8)) == encoded)
            #expect(Base64.decode(encoded) == Array(plain.utf8))
        }
        for wrong in ["Z", "Zg=", "Zh==", "Zg==Zg==", "Z===", "Zm9v\n", "Zm-v"] { #expect(Base64.decode(wrong) == nil) }
        let all = [UInt8](0...255)
        #expect(Base64.decode(Base64.encode(all)) == all)
    }
}
