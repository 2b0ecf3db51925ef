import Leat
import LeatHTTP
import LeatLoop
import LeatNet

/// The bytes that hexadecimal digits stand for.
func hex(_ digits: String) -> [UInt8] {
    let values = digits.utf8.map { UInt8(Character(Unicode.Scalar($0)).hexDigitValue!) }
    return stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
}

/// `bytes` in pieces that end at `cuts`, which ascend. Empty pieces are left out.
func pieces(_ bytes: [UInt8], cuts: some Sequence<Int>) -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    var start = 0
    for cut in Array(cuts) + [bytes.count] where cut > start {
        pieces.append(Array(bytes[start..<cut]))
        start = cut
    }
    return pieces
}

/// Every way to cut `bytes` in two, one byte at a time, and random ways, the whole first.
func splits(of bytes: [UInt8]) -> [[[UInt8]]] {
    var generator = SeededGenerator(seed: 7)
    let random = (0..<20).map { _ in
        (0..<5).map { _ in Int.random(in: 0...bytes.count, using: &generator) }.sorted()
    }
    let cuts = [[]] + (0..<bytes.count).map { [$0] } + [Array(0..<bytes.count)] + random
    return cuts.map { pieces(bytes, cuts: $0) }
}

/// Compressed by Python's `zlib` and `gzip`, at level 9.
enum Compressed {
    static let text = Array(String(repeating: "Leat decodes this text. ", count: 3).utf8)
    static let gzip = hex(
        "1f8b0800000000000203f3494d2c5148494dce4f492d5628c9c80412a915257a0a3e248a0300e95505ea48000000"
    )
    static let zlib = hex("78daf3494d2c5148494dce4f492d5628c9c80412a915257a0a3e248a0300ad7c1999")
    static let raw = hex("f3494d2c5148494dce4f492d5628c9c80412a915257a0a3e248a0300")
    /// With an extra field, a name, a comment and a checksum of the header.
    static let gzipWithFullHeader = hex(
        "1f8b081e0000000002030400616200006e616d652e74787400636f6d6d656e74009d0b"
            + "f3494d2c5148494dce4f492d5628c9c80412a915257a0a3e248a0300e95505ea48000000"
    )
    /// Coded as deflate first, then as gzip.
    static let deflateThenGzip = hex(
        "1f8b0800000000000203abb8f5d9d35727d0c3d3f79cbfa76e98c6c9132c422b4555abb8ec54ba9819d6d648ce040000490fd322000000"
    )
    static let emptyGzip = hex("1f8b080000000000020303000000000000000000")
    static let emptyZlib = hex("78da030000000001")
    /// The word `hello` in a stored block.
    static let stored = hex("010500faff68656c6c6f")
    static let withDictionary = hex("78f91bff047ef341622b9464640289d48a123d0552c501ad7c1999")

    /// 10 MiB of zeros, coded as gzip twice.
    static let bombInGzip = hex(
        "1f8b0800000000000203edd83b0dc2601840d1af94a13c021260ae90ce2c8840054d3ab2a00070800656d29dd403e080d72f83e69ce96ab88b5d"
            + "11c920bf5fb2ec17f5fe7d7e16e3000000007aaeee9a3ccd80587e6ed56a0d000000f4dd663e1ba517307c6d1fd389390200ffe0186d793d44"
            + "9ce20b5eb532bced270000"
    )
    /// 1,000 times the bytes 0 to 255, coded as gzip twice.
    static let largeInGzip = hex(
        "1f8b080000000000020393efe660000126e6b7e79d9924d8181836dcda967b7bdbd9ab2072e7d5282099bbbbff85e94f4726161e110b8f0b0907"
            + "9d5b7844ad7c6e143c5476e911b1f4ba927131f9488fa8b5df9d8a8fc22a3e532c3c2fa59c0c5ee233d5caf756c94be39433532cbdafe5dc2c"
            + "7e7266aab5ffbd9a9fdc223a213b3c2e261df59ea213bacbe766d153ed9035213bbdae665dcdbef26779d85babd2d757f32f6c087cace63bdb"
            + "34ffe2a6d0d766b9b7b7bebfb031f8b95eeceed2f7173787bfb7abfdfd55dea0e0c20345e7765e79c3a22b2f0c938ff7ce3728bcf4443378b9"
            + "ef7cc3e26b6f2c8b9f9f8ddf5070f191aaf774ddffdff78b6a87af8ddb5c76f717afb4f9dffd95a7afe5de2e7f73676bf5f97bb5bff9656c4a"
            + "7e9cb8987cdc7f8e4de9af33378b9febc7ec29f979ea6af6f5fc3b7b4a7f9fbb5bfd5ddea6e6cb8f9397d3cfc7efa9f9faebecedf2f7f6357f"
            + "befc3c7d3dff7efd9f3f5fad1bf68f8251300a8629f81fffff3f83d4fa823f0c2f9819007fe53d1f38050000"
    )
    /// 100,000 empty gzip members, coded as gzip twice: 2 MB of work that comes to nothing.
    static let emptyMembersInGzip = hex(
        "1f8b080000000000020393efe660000126e6b72736f232287030182875c71718f80bb3cd37787be395f4eb9463c1e72c9fcf291e2546895162"
            + "94182546895162941825468951629418254689516294182546896140fcfec5669b5f72b2a1458e01000007e2ba1c130000"
    )
    static let large = (0..<256_000).map { UInt8(truncatingIfNeeded: $0) }
}

/// Feeds `pieces` to a decoder and returns all that comes out, or throws what it throws.
func decode(
    _ pieces: [[UInt8]],
    as codings: [ContentCoding],
    limits: ContentDecoder.Limits = .init()
) throws(HTTPError) -> [UInt8] {
    let decoder = try ContentDecoder(codings, limits: limits)
    var body: [UInt8] = []
    for piece in pieces {
        decoder.feed(piece)
        while let decoded = try decoder.next() {
            precondition((1...ContentDecoder.maximumPiece).contains(decoded.count))
            body += decoded
        }
    }
    try decoder.finish()
    return body
}

/// The error that `body` throws; nil if it throws none.
func failure(_ body: () throws(HTTPError) -> some Any) -> HTTPError? {
    do throws(HTTPError) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}

/// A connection over which a response arrives whose body comes in exactly these pieces, each a chunk of its own.
/// `use` gets the head as its decoder leaves it, and a reader.
@discardableResult
func withBody<R>(
    _ pieces: [[UInt8]],
    fields: String = "",
    limits: ContentDecoder.Limits = .init(),
    _ use: (HTTPResponseHead, HTTPBodyReader) async throws -> R
) async throws -> R {
    let listener = try TCPListener.bind(to: .loopback(port: 0))
    var message = Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\(fields)\r\n".utf8)
    for piece in pieces { message += "\(String(piece.count, radix: 16))\r\n".utf8 + piece + "\r\n".utf8 }
    message += "0\r\n\r\n".utf8
    let response = message
    let server = onLoop {
        let stream = try await listener.accept()
        try? await stream.write(response)
        stream.close()
    }
    let loop = EventLoop.current
    let socket = try await Socket.connect(to: listener.localAddress, loop: loop, until: .distantFuture)
    let connection = HTTPConnection(socket: socket, role: .response, limits: HTTPLimits())
    defer {
        connection.close()
        listener.close()
    }
    while true {
        if case .head = try connection.tryNext() { break }
        guard try await connection.fill() else { throw HTTPError.peerClosed() }
    }
    var head = connection.parser.takeResponseHead()
    let decoder = try ContentDecoder.forResponse(
        head.response.status,
        &head.response.headerFields,
        framing: head.framing,
        limits: limits
    )
    let reader = HTTPBodyReader(
        connection,
        times: ExchangeTimes(began: connection.loop.now, readTimeout: 60_000_000_000),
        decoder: decoder
    )
    let result = try await use(head, reader)
    connection.close()
    try await server.value
    return result
}
