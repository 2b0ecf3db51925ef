import LeatHTTP

/// What comes out of a parser, with neighbouring pieces of body put together: splits must not show.
enum Observed: Equatable {
    case request(HTTPRequestHead)
    case response(HTTPResponseHead)
    case body([UInt8])
    case end(trailers: HTTPFields)
    case finish(HTTPParser.Finish)
    case unconsumed(Int)
    case failure(HTTPParseError)
}

/// Feeds `input` to a fresh parser in pieces that end at `cuts` (ascending), then the end of the connection.
/// Each piece is presented in memory of its own, after the octets that were not consumed.
/// A `scanner` is asked for each request before the parser, as a server does it.
func observe(
    _ input: [UInt8],
    _ role: HTTPParser.Role,
    limits: HTTPLimits = HTTPLimits(),
    answering method: HTTPRequest.Method = .get,
    scanner: RequestScanner? = nil,
    cuts: some Sequence<Int> = EmptyCollection<Int>()
) -> [Observed] {
    var parser = HTTPParser(role: role, limits: limits)
    parser.expectResponse(to: method)
    var observed: [Observed] = []
    var pending: [UInt8] = []
    var fed = 0
    do throws(HTTPParseError) {
        for cut in Array(cuts) + [input.count] where cut > fed || cut == input.count {
            pending += input[fed..<cut]
            fed = cut
            let consumed = try drain(&parser, scanner, pending, method, &observed)
            pending.removeFirst(consumed)
        }
        observed.append(.finish(try parser.finish()))
        observed.append(.unconsumed(pending.count))
    } catch {
        observed.append(.failure(error))
    }
    return observed
}

private func drain(
    _ parser: inout HTTPParser,
    _ scanner: RequestScanner?,
    _ bytes: [UInt8],
    _ method: HTTPRequest.Method,
    _ observed: inout [Observed]
) throws(HTTPParseError) -> Int {
    var position = 0
    while true {
        if let scanner, parser.isIdle {
            let length = bytes.withUnsafeBytes { scanner.scan(UnsafeRawBufferPointer(rebasing: $0[position...])) }
            if length > 0 {
                position += length
                observed.append(.request(scanner.head))
                parser.skipHead(bodyLength: scanner.contentLength)
                if scanner.contentLength <= 0 { observed.append(.end(trailers: [:])) }
                continue
            }
        }
        let (event, failure) = bytes.withUnsafeBytes { buffer -> (HTTPParser.Event?, HTTPParseError?) in
            do throws(HTTPParseError) {
                return (try parser.parse(buffer, consumed: &position), nil)
            } catch {
                return (nil, error)
            }
        }
        if let failure { throw failure }
        switch event! {
        case .needMore:
            return position
        case .head where parser.isServer:
            observed.append(.request(parser.takeRequestHead()))
        case .head:
            observed.append(.response(parser.takeResponseHead()))
        case .body(let range):
            if case .body(let before)? = observed.last {
                observed[observed.count - 1] = .body(before + bytes[range])
            } else {
                observed.append(.body(Array(bytes[range])))
            }
        case .end:
            observed.append(.end(trailers: parser.takeTrailers()))
            parser.expectResponse(to: method)
        }
    }
}

extension HTTPParser {
    fileprivate var isServer: Bool { role == .request }
}

extension [Observed] {
    var requests: [HTTPRequestHead] {
        compactMap { if case .request(let head) = $0 { head } else { nil } }
    }

    var responses: [HTTPResponseHead] {
        compactMap { if case .response(let head) = $0 { head } else { nil } }
    }

    var bodies: [String] {
        compactMap { if case .body(let bytes) = $0 { String(decoding: bytes, as: UTF8.self) } else { nil } }
    }

    var trailers: [HTTPFields] {
        compactMap { if case .end(let trailers) = $0 { trailers } else { nil } }
    }

    var failure: HTTPParseError? {
        if case .failure(let error)? = last { error } else { nil }
    }
}

func request(_ text: String, limits: HTTPLimits = HTTPLimits()) -> [Observed] {
    observe(Array(text.utf8), .request, limits: limits)
}

func response(_ text: String, answering method: HTTPRequest.Method = .get) -> [Observed] {
    observe(Array(text.utf8), .response, answering: method)
}

/// SplitMix64: the tests draw the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension HTTPEncoder {
    /// Appends the head of `request`; a path that is nil stands for `/`, or for `CONNECT` for the authority.
    static func appendRequestHead(
        _ request: HTTPRequest,
        framing: HTTPBodyFraming,
        connection: HTTPConnectionOption = .unstated,
        to output: inout [UInt8]
    ) throws(HTTPEncodingError) {
        try appendRequestHead(
            method: request.method,
            target: request.path ?? (request.method == .connect ? request.authority ?? "" : "/"),
            authority: request.authority,
            headerFields: request.headerFields,
            framing: framing,
            connection: connection,
            to: &output
        )
    }
}
