import LeatHTTP
import Testing

/// Media types, and text in other encodings than UTF-8.
@Suite(.timeLimit(.minutes(5)))
struct CodingTextTests {
    // MARK: Media types

    @Test(arguments: [
        ("text/html", "text/html", [:]),
        ("TEXT/Html", "text/html", [:]),
        (" text/plain ;\tcharset=UTF-8 ", "text/plain", ["charset": "UTF-8"]),
        ("text/plain;charset=\"utf-8\"", "text/plain", ["charset": "utf-8"]),
        ("text/plain;CharSet=\"a\\\"b\\\\;c=d\"", "text/plain", ["charset": "a\"b\\;c=d"]),
        ("text/plain;charset=\"\"", "text/plain", ["charset": ""]),
        ("a/b;;c=d; ;e=f;", "a/b", ["c": "d", "e": "f"]),
        ("multipart/form-data; boundary=\"--a b\"", "multipart/form-data", ["boundary": "--a b"]),
        ("application/ld+json", "application/ld+json", [:]),
    ])
    func aMediaTypeIsRead(text: String, essence: String, parameters: [String: String]) throws {
        let type = try #require(HTTPMediaType(text))
        #expect(type.essence == essence)
        #expect(Dictionary(uniqueKeysWithValues: type.parameters.map { ($0.name, $0.value) }) == parameters)
        // What is written is read as the same.
        #expect(HTTPMediaType(type.description) == type)
    }

    @Test(arguments: [
        "", "text", "text/", "/html", "text/ html", "te xt/html", "text/html charset=utf-8", "text/html; charset",
        "text/html; charset=", "text/html; charset =utf-8", "text/html; charset= utf-8", "text/html; charset=\"utf-8",
        "text/html; charset=\"utf-8\\", "text/html; charset=\"a\"b", "text/html; charset=a b", "text/html, text/plain",
        "text/html; a=1; A=2", "text/html; a=\"\u{7}\"", "text/html; a=ü",
    ])
    func whatIsNoMediaTypeIsNone(text: String) {
        #expect(HTTPMediaType(text) == nil)
    }

    @Test func aMediaTypeIsBounded() {
        func type(parameters: Int) -> String { "a/b" + (0..<parameters).map { ";p\($0)=1" }.joined() }
        #expect(HTTPMediaType(type(parameters: HTTPMediaType.maximumParameters)) != nil)
        #expect(HTTPMediaType(type(parameters: HTTPMediaType.maximumParameters + 1)) == nil)
        func type(length: Int) -> String { "a/b;c=" + String(repeating: "d", count: length - 6) }
        #expect(HTTPMediaType(type(length: HTTPMediaType.maximumLength)) != nil)
        #expect(HTTPMediaType(type(length: HTTPMediaType.maximumLength + 1)) == nil)
    }

    @Test func parametersAreFoundInAnyCase() {
        let fields: HTTPFields = [.contentType: "text/plain; CHARSET=x"]
        #expect(fields.mediaType?["Charset"] == "x")
        #expect(fields.mediaType?["boundary"] == nil)
        // Two fields could be taken in two ways.
        let two: HTTPFields = [.contentType: "text/plain", .contentType: "text/html"]
        #expect(two.mediaType == nil)
    }

    // MARK: Charsets

    /// Made by Python's `str.encode`.
    static let encoded: [(name: String, bytes: String, text: String)] = [
        ("utf-8", "c3bc20e282ac20f09f9880", "ü € 😀"),
        ("UTF8", "efbbbf61", "a"),
        ("utf-8", "61ff62c3", "a\u{FFFD}b\u{FFFD}"),
        ("us-ascii", "6162ff", "ab\u{FFFD}"),
        ("ISO-8859-1", "fcdf8061", "üß\u{80}a"),
        ("latin1", "e9", "é"),
        ("windows-1252", "80849399fc81", "€„“™ü\u{81}"),
        ("cp1252", "9fa0ff", "Ÿ\u{A0}ÿ"),
        ("utf-16", "fffefc003dd800de", "ü😀"),
        ("utf-16", "feff00fcd83dde00", "ü😀"),
        ("utf-16", "fc003dd800de", "ü😀"),
        ("utf-16le", "fc003dd800de", "ü😀"),
        ("utf-16le", "fffe6100", "a"),
        ("UTF-16BE", "00fcd83dde00", "ü😀"),
        ("utf-16be", "feff0061", "a"),
        ("utf-16be", "d83d006162", "\u{FFFD}a\u{FFFD}"),
        ("utf-16", "", ""),
        ("utf-16", "61", "\u{FFFD}"),
    ]

    @Test(arguments: encoded.indices)
    func textIsDecoded(sample: Int) throws {
        let (name, bytes, text) = Self.encoded[sample]
        let charset = try HTTPCharset(named: name)
        #expect(charset.decode(hex(bytes)) == text)
    }

    @Test func everyByteOfASingleByteCharsetIsOneCharacter() {
        let bytes = Array(UInt8.min...UInt8.max)
        for charset in [HTTPCharset.usASCII, .isoLatin1, .windows1252] {
            #expect(charset.decode(bytes).unicodeScalars.count == 256)
        }
        #expect(Set(HTTPCharset.windows1252.decode(bytes).unicodeScalars).count == 256)
        #expect(HTTPCharset.isoLatin1.decode(bytes).unicodeScalars.map(\.value) == Array(0...255))
    }

    @Test func anUnknownCharsetIsNamed() {
        let fields: HTTPFields = [.contentType: "text/plain; charset=KOI8-R"]
        let error = failure { () throws(HTTPError) in try fields.charset() }
        #expect(error?.kind == .unknownCharset)
        #expect(error?.message == "the charset 'KOI8-R' is not known")
        let long = failure { () throws(HTTPError) in try HTTPCharset(named: String(repeating: "x", count: 5000)) }
        #expect(long?.message.utf8.count ?? .max < 200)
    }

    @Test(arguments: [nil, "text/plain", "text/plain; charset", "nonsense"])
    func withoutACharsetTextIsUTF8(contentType: String?) throws {
        var response = HTTPClientResponse(status: .ok, body: Array("ü".utf8), url: "http://h.test/")
        response.headerFields[.contentType] = contentType
        #expect(try response.text() == "ü")
    }

    @Test func aResponseIsDecodedAsItSaysUnlessTheCallerKnowsBetter() throws {
        var response = HTTPClientResponse(
            status: .ok,
            headerFields: [.contentType: "text/html; charset=\"ISO-8859-1\""],
            body: [0x80, 0xFC],
            url: "http://h.test/"
        )
        #expect(try response.text() == "\u{80}ü")
        #expect(try response.text(charset: .windows1252) == "€ü")
        #expect(response.text == "\u{FFFD}\u{FFFD}")
        response.headerFields[.contentType] = "text/html; charset=klingon"
        #expect(failure { () throws(HTTPError) in try response.text() }?.kind == .unknownCharset)
        #expect(try response.text(charset: .isoLatin1) == "\u{80}ü")
    }

    @Test func aStreamedBodyIsDecodedToo() throws {
        try runHTTPLoop {
            let fields = "Content-Type: text/plain; charset=utf-16\r\n"
            for pieces in splits(of: hex("fffefc003dd800de")) {
                try await withBody(pieces, fields: fields) { head, body in
                    let charset = try head.response.headerFields.charset() ?? .utf8
                    let text = try await body.text(charset: charset, upTo: 8)
                    #expect(text == "ü😀")
                }
            }
        }
    }
}
