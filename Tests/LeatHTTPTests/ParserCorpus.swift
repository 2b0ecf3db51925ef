import LeatHTTP
import Testing

/// One input with the error it must lead to, or nil if it is good.
struct ParserCase: CustomTestStringConvertible, Sendable {
    var name: String
    var bytes: [UInt8]
    var failure: HTTPParseError.Kind?

    init(_ name: String, _ text: String, _ failure: HTTPParseError.Kind? = nil) {
        self.init(name, bytes: Array(text.utf8), failure)
    }

    init(_ name: String, bytes: [UInt8], _ failure: HTTPParseError.Kind? = nil) {
        self.name = name
        self.bytes = bytes
        self.failure = failure
    }

    var testDescription: String { name }
}

/// A request with one more header field line; the text may hold octets beyond ASCII as `\u{80}`…`\u{ff}`.
private func field(_ name: String, _ line: String, _ failure: HTTPParseError.Kind?) -> ParserCase {
    let text = "POST / HTTP/1.1\r\nHost: a\r\n\(line)\r\n\r\n"
    return ParserCase(name, bytes: text.unicodeScalars.map { UInt8($0.value) }, failure)
}

private func start(_ name: String, _ line: String, _ failure: HTTPParseError.Kind?) -> ParserCase {
    ParserCase(name, "\(line)\r\nHost: a\r\n\r\n", failure)
}

private func chunked(_ name: String, _ body: String, _ failure: HTTPParseError.Kind?) -> ParserCase {
    ParserCase(name, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(body)", failure)
}

enum Corpus {
    static let framing: [ParserCase] = [
        field("CL.TE", "Content-Length: 5\r\nTransfer-Encoding: chunked", .lengthAndTransferEncoding),
        field("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 5", .lengthAndTransferEncoding),
        field("CL with sign", "Content-Length: +5", .invalidContentLength),
        field("CL of minus zero", "Content-Length: -0", .invalidContentLength),
        field("CL with underscore", "Content-Length: 1_0", .invalidContentLength),
        field("CL in hexadecimal", "Content-Length: 0x5", .invalidContentLength),
        field("CL with letters", "Content-Length: 5a", .invalidContentLength),
        field("CL with inner space", "Content-Length: 5 5", .invalidContentLength),
        field("CL with Unicode digits", "Content-Length: \u{d9}\u{a5}", .invalidContentLength),
        field("CL with NEL", "Content-Length: 5\u{85}", .invalidContentLength),
        field("CL followed by a name with NEL", "Content-Length\u{85}: 5", .invalidFieldName),
        field("CL empty", "Content-Length:", .invalidContentLength),
        field("CL blank", "Content-Length: \t ", .invalidContentLength),
        field("CL over Int.max", "Content-Length: 9223372036854775808", .invalidContentLength),
        field("CL far over", "Content-Length: 18446744073709551617", .invalidContentLength),
        field("CL list", "Content-Length: 5, 5", .invalidContentLength),
        field("CL twice, differing", "Content-Length: 5\r\nContent-Length: 6", .duplicateContentLength),
        field("CL twice, alike", "Content-Length: 5\r\ncontent-length: 5", .duplicateContentLength),
        field("TE twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", .invalidTransferEncoding),
        field("TE twice in one", "Transfer-Encoding: chunked, chunked", .invalidTransferEncoding),
        field("TE with empty element", "Transfer-Encoding: ,chunked", .invalidTransferEncoding),
        field("TE empty", "Transfer-Encoding:", .invalidTransferEncoding),
        field("TE identity", "Transfer-Encoding: identity", .unsupportedTransferCoding),
        field("TE gzip", "Transfer-Encoding: gzip, chunked", .unsupportedTransferCoding),
        field("TE chunked not last", "Transfer-Encoding: chunked, gzip", .invalidTransferEncoding),
        field("TE xchunked", "Transfer-Encoding: xchunked", .unsupportedTransferCoding),
        field("TE chunkedchunked", "Transfer-Encoding: chunkedchunked", .unsupportedTransferCoding),
        field("TE quoted", "Transfer-Encoding: \"chunked\"", .invalidTransferEncoding),
        field("TE with parameter", "Transfer-Encoding: chunked;q=1", .invalidTransferEncoding),
        field("TE with VT", "Transfer-Encoding: \u{0b}chunked", .invalidFieldValue),
        field("TE with NBSP", "Transfer-Encoding: \u{a0}chunked", .invalidTransferEncoding),
        field("TE with obs-text", "Transfer-Encoding: \u{ff}chunked\u{ff}", .invalidTransferEncoding),
        field("TE with Kelvin sign", "Transfer-Encoding: chun\u{e2}\u{84}\u{aa}ed", .invalidTransferEncoding),
        field("TE folded", "Transfer-Encoding:\r\n chunked", .invalidTransferEncoding),
        ParserCase("TE in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", .transferEncodingInHTTP10),
        field("Host twice", "Host: b", .duplicateHost),
        ParserCase("Host missing", "GET / HTTP/1.1\r\nX: y\r\n\r\n", .missingHost),
        ParserCase("Host with user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", .invalidHost),
        ParserCase("Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .invalidHost),
        ParserCase("Host with space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", .invalidHost),
        ParserCase("Host with bad port", "GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n", .invalidHost),
        ParserCase("Host with port 0", "GET / HTTP/1.1\r\nHost: a:0\r\n\r\n", .invalidHost),
        ParserCase("Host with two colons", "GET / HTTP/1.1\r\nHost: a::\r\n\r\n", .invalidHost),
        ParserCase("Host with port alone", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", .invalidHost),
        ParserCase("Host with large port", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", .invalidHost),
        ParserCase("Host with bad IPv6", "GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n", .invalidHost),
        ParserCase("Host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", .invalidHost),
    ]

    static let lines: [ParserCase] = [
        field("space before colon", "X : v", .whitespaceBeforeColon),
        field("tab before colon", "X\t: v", .whitespaceBeforeColon),
        field("space before CL's colon", "Content-Length : 5", .whitespaceBeforeColon),
        field("folded line", "X: a\r\n b", .lineFolding),
        field("line of white space", "X: a\r\n\t", .lineFolding),
        ParserCase("first field led by space", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", .lineFolding),
        field("no colon", "Xv", .missingColon),
        field("name over two words, no colon", "X v", .missingColon),
        field("empty name", ": v", .emptyFieldName),
        field("colon only", ":", .emptyFieldName),
        field("name with CTL", "X\u{01}Y: v", .invalidFieldName),
        field("name with NUL", "X\u{00}: v", .invalidFieldName),
        field("name beyond ASCII", "X\u{e9}: v", .invalidFieldName),
        field("name with parenthesis", "X(: v", .invalidFieldName),
        field("value with NUL", "X: a\u{00}b", .invalidFieldValue),
        field("value with DEL", "X: a\u{7f}b", .invalidFieldValue),
        field("value with ESC", "X: a\u{1b}b", .invalidFieldValue),
        field("value with bare CR", "X: a\rb", .invalidFieldValue),
        field("value ending with CR CR LF", "X: a\r", .invalidFieldValue),
        field("name after bare CR", "X: a\rContent-Length: 5", .invalidFieldValue),
        ParserCase("bare LF after field", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", .bareLineFeed),
        ParserCase("bare LF after start line", "GET / HTTP/1.1\nHost: a\r\n\r\n", .bareLineFeed),
        ParserCase("bare LF ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", .bareLineFeed),
        ParserCase("LF LF", "GET / HTTP/1.1\nHost: a\n\n", .bareLineFeed),
        ParserCase("CR LF CR X", "GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", .invalidFieldName),
        ParserCase("CR LF CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", .invalidFieldName),
    ]

    static let startLines: [ParserCase] = [
        start("version 2.0", "GET / HTTP/2.0", .unsupportedVersion),
        start("version 1.2", "GET / HTTP/1.2", .unsupportedVersion),
        start("version 0.9", "GET / HTTP/0.9", .unsupportedVersion),
        start("version 1.32", "GET / HTTP/1.32", .invalidVersion),
        start("version with overflow", "GET / HTTP/4294967297.1", .invalidVersion),
        start("version in lower case", "GET / http/1.1", .invalidVersion),
        start("version with plus", "GET / HTTP/+1.1", .invalidVersion),
        start("version of another protocol", "GET / ICAP/1.0", .invalidVersion),
        start("version by prefix", "GET / HTTP/1.1x", .invalidVersion),
        start("space after version", "GET / HTTP/1.1 ", .invalidVersion),
        start("two spaces before version", "GET /  HTTP/1.1", .invalidVersion),
        start("two spaces after method", "GET  / HTTP/1.1", .invalidTarget),
        start("tab after method", "GET\t/ HTTP/1.1", .invalidMethod),
        start("simple request", "GET /", .invalidTarget),
        start("method only", "GET", .invalidMethod),
        start("method in parentheses", "(GET) / HTTP/1.1", .unexpectedStart),
        start("method with slash", "G/T / HTTP/1.1", .invalidMethod),
        start("method with CR", "G\rT / HTTP/1.1", .invalidMethod),
        start("method of 65 octets", String(repeating: "M", count: 65) + " / HTTP/1.1", .methodTooLong),
        start("leading space", " GET / HTTP/1.1", .unexpectedStart),
        start("target with NUL", "GET /\u{0} HTTP/1.1", .invalidTarget),
        start("target with DEL", "GET /\u{7f} HTTP/1.1", .invalidTarget),
        start("target beyond ASCII", "GET /é HTTP/1.1", .invalidTarget),
        start("target with fragment", "GET /a#b HTTP/1.1", .invalidTarget),
        start("target with tab", "GET /a\tb HTTP/1.1", .invalidTarget),
        start("target with bare CR", "GET /a\rb HTTP/1.1", .invalidTarget),
        start("target without slash", "GET a HTTP/1.1", .invalidTarget),
        start("asterisk for GET", "GET * HTTP/1.1", .invalidTarget),
        start("other scheme", "GET ftp://a/ HTTP/1.1", .invalidTarget),
        start("absolute without host", "GET http:///a HTTP/1.1", .invalidTarget),
        start("absolute with user", "GET http://u@a/ HTTP/1.1", .invalidTarget),
        start("CONNECT with path", "CONNECT /a HTTP/1.1", .invalidTarget),
        start("CONNECT without port", "CONNECT a HTTP/1.1", .invalidTarget),
        start("CONNECT with an empty port", "CONNECT a: HTTP/1.1", .invalidTarget),
        ParserCase("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .unsupportedVersion),
        ParserCase("TLS hello", bytes: [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC], .unexpectedStart),
        ParserCase("LF first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .unexpectedStart),
        ParserCase("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .emptyStartLine),
        ParserCase("CR first", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", .invalidMethod),
    ]

    static let chunks: [ParserCase] = [
        chunked("empty size", "\r\n", .invalidChunkSize),
        chunked("empty size with extension", ";a=b\r\n", .invalidChunkSize),
        chunked("size with sign", "+5\r\nhello\r\n0\r\n\r\n", .invalidChunkSize),
        chunked("size with minus", "-0\r\n\r\n", .invalidChunkSize),
        chunked("size with 0x", "0x5\r\nhello\r\n0\r\n\r\n", .invalidChunkSize),
        chunked("size with underscore", "1_0\r\n", .invalidChunkSize),
        chunked("size led by space", " 5\r\nhello\r\n0\r\n\r\n", .invalidChunkSize),
        chunked("size followed by space", "5 \r\nhello\r\n0\r\n\r\n", .invalidChunkSize),
        chunked("size followed by x", "5x\r\nhello\r\n0\r\n\r\n", .invalidChunkSize),
        chunked("size in full width", "５\r\nhello\r\n0\r\n\r\n", .invalidChunkSize),
        chunked("size over 64 bits", "f0000000000000003\r\n", .invalidChunkSize),
        chunked("size over Int.max", "8000000000000000\r\n", .invalidChunkSize),
        chunked("17 digits", "00000000000000005\r\nhello\r\n0\r\n\r\n", .invalidChunkSize),
        chunked("size ended by LF", "5\nhello\r\n0\r\n\r\n", .bareLineFeed),
        chunked("size ended by CR CR LF", "5\r\r\nhello\r\n0\r\n\r\n", .invalidChunkSize),
        chunked("size ended by CR X", "5\r\rX\r\nhello\r\n0\r\n\r\n", .invalidChunkSize),
        chunked("extension with LF", "5;a\nb\r\nhello\r\n0\r\n\r\n", .bareLineFeed),
        chunked("extension with CR", "5;a\rb\r\nhello\r\n0\r\n\r\n", .invalidChunkExtension),
        chunked("extension with NUL", "5;a\u{0}\r\nhello\r\n0\r\n\r\n", .invalidChunkExtension),
        chunked("extension without name", "5;\r\nhello\r\n0\r\n\r\n", .invalidChunkExtension),
        chunked("any two octets after data", "5\r\nhelloXX0\r\n\r\n", .missingChunkEnd),
        chunked("LF after data", "5\r\nhello\n0\r\n\r\n", .missingChunkEnd),
        chunked("CR X after data", "5\r\nhello\rX0\r\n\r\n", .missingChunkEnd),
        chunked("data longer than its size", "5\r\nhello!\r\n0\r\n\r\n", .missingChunkEnd),
        chunked("trailer without end", "0\r\nX: y\r\n", .truncated),
        chunked("trailer without colon", "0\r\nXX\r\n\r\n", .missingColon),
        chunked("trailer ended by LF", "0\r\nX: y\n\r\n", .bareLineFeed),
        chunked("trailer folded", "0\r\nX: y\r\n z\r\n\r\n", .lineFolding),
        chunked("trailer CL", "0\r\nContent-Length: 5\r\n\r\n", .forbiddenTrailer),
        chunked("trailer TE", "0\r\nTransfer-Encoding: chunked\r\n\r\n", .forbiddenTrailer),
        chunked("trailer Host", "0\r\nHost: b\r\n\r\n", .forbiddenTrailer),
        chunked("end ended by LF", "0\r\n\n", .bareLineFeed),
        chunked("cut in the data", "5\r\nhel", .truncated),
        chunked("cut before the last chunk", "5\r\nhello\r\n", .truncated),
        chunked("cut before the end", "0\r\n", .truncated),
    ]

    static let goodRequests: [ParserCase] = [
        ParserCase("plain", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        ParserCase("1.0 without Host", "GET /a HTTP/1.0\r\n\r\n"),
        ParserCase("leading empty line", "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n"),
        ParserCase("body", "POST /a?b=c HTTP/1.1\r\nHost: a:80\r\nContent-Length: 010\r\n\r\n0123456789"),
        ParserCase("empty body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
        ParserCase("white space", "GET / HTTP/1.1\r\nHost:a\r\nX: \t a b\t \r\nY:\r\nZ:  \r\n\r\n"),
        ParserCase("obs-text", bytes: Array("GET / HTTP/1.1\r\nHost: a\r\nX: \u{e9}\r\n\r\n".utf8)),
        ParserCase("asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        ParserCase("absolute", "GET http://b:81/c?d HTTP/1.1\r\nHost: a\r\n\r\n"),
        ParserCase("CONNECT", "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n"),
        ParserCase("IPv6", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
        ParserCase("empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n"),
        ParserCase("empty port after IPv6", "GET / HTTP/1.1\r\nHost: [::1]:\r\n\r\n"),
        ParserCase("empty port in an absolute target", "GET http://b:/c HTTP/1.1\r\nHost: a\r\n\r\n"),
        ParserCase("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        chunked("chunks", "5\r\nhello\r\n06;a=b;c=\"d e\"\r\n world\r\n000\r\n\r\n", nil),
        chunked("trailers", "1\r\nx\r\n0\r\nX: y\r\nZ: w\r\n\r\n", nil),
        chunked("upper case size", "A\r\n0123456789\r\n0\r\n\r\n", nil),
        ParserCase(
            "pipeline",
            "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                + "POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n\r\n"
                + "GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ),
    ]

    static let badRequests = framing + lines + startLines + chunks

    static let goodResponses: [ParserCase] = [
        ParserCase("length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        ParserCase("two", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx"),
        ParserCase("until close", "HTTP/1.0 200 OK\r\nServer: old\r\n\r\nhello\r\n\r\nworld"),
        ParserCase("until close, empty", "HTTP/1.1 200 OK\r\n\r\n"),
        ParserCase("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"),
        ParserCase(
            "interim",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 \r\n\r\n"
        ),
        ParserCase("304 with length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 X\r\n\r\n"),
        ParserCase("no phrase", "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx"),
        ParserCase(
            "obs-text in phrase",
            bytes: Array("HTTP/1.1 200 d\u{e9}j\u{e0} vu\r\nContent-Length: 0\r\n\r\n".utf8)
        ),
        ParserCase("tunnel", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nanything\n"),
        ParserCase("code 999", "HTTP/1.1 999 Request denied\r\nContent-Length: 0\r\n\r\n"),
    ]

    static let badResponses: [ParserCase] = [
        ParserCase(
            "CL.TE",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            .lengthAndTransferEncoding
        ),
        ParserCase(
            "two CL",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            .duplicateContentLength
        ),
        ParserCase("gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .unsupportedTransferCoding),
        ParserCase("1.0 with TE", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .transferEncodingInHTTP10),
        ParserCase("short code", "HTTP/1.1 20 OK\r\n\r\n", .invalidStatusCode),
        ParserCase("long code", "HTTP/1.1 2000 OK\r\n\r\n", .invalidStatusCode),
        ParserCase("code with sign", "HTTP/1.1 +20 OK\r\n\r\n", .invalidStatusCode),
        ParserCase("code 099", "HTTP/1.1 099 OK\r\n\r\n", .invalidStatusCode),
        ParserCase("no code", "HTTP/1.1\r\n\r\n", .invalidStatusLine),
        ParserCase("two spaces", "HTTP/1.1  200 OK\r\n\r\n", .invalidStatusCode),
        ParserCase("version 2", "HTTP/2.0 200 OK\r\n\r\n", .unsupportedVersion),
        ParserCase("version cut", "HTTP/1 200 OK\r\n\r\n", .invalidVersion),
        ParserCase("phrase with NUL", "HTTP/1.1 200 O\u{0}K\r\n\r\n", .invalidReasonPhrase),
        ParserCase("phrase with CR", "HTTP/1.1 200 O\rK\r\n\r\n", .invalidReasonPhrase),
        ParserCase("bare LF", "HTTP/1.1 200 OK\n\n", .bareLineFeed),
        ParserCase("value with CTL", "HTTP/1.1 200 OK\r\nX: a\u{2}\r\n\r\n", .invalidFieldValue),
        ParserCase("folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", .lineFolding),
        ParserCase("noise", "SSH-2.0-OpenSSH_9.6\r\n", .unexpectedStart),
        ParserCase("empty line", "\r\nHTTP/1.1 200 OK\r\n\r\n", .unexpectedStart),
        ParserCase("cut in the status line", "HTTP/1.1 20", .truncated),
        ParserCase("cut in the fields", "HTTP/1.1 200 OK\r\nX: y\r\n", .truncated),
        ParserCase("cut in the body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", .truncated),
        ParserCase("cut after an interim response", "HTTP/1.1 100 Continue\r\n\r\n", .truncated),
        ParserCase(
            "flood of interim responses",
            String(repeating: "HTTP/1.1 103 Early Hints\r\n\r\n", count: 17),
            .tooManyInterimResponses
        ),
    ]
}
