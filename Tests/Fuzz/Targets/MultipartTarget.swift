internal import CLinux
internal import Glibc
internal import LeatHTTP
internal import LeatLoop
internal import LeatNet
internal import LeatReactor

extension FuzzTarget {
    /// Forms with files: what is written is taken apart again, by other means, and has to be what was put in. Parts are
    /// separated by 0xFF; of a part, name, content, file name and media type by 0xFE, the last two of which may be absent.
    static let multipart = FuzzTarget(name: "multipart") { input in
        var form = MultipartForm()
        var parts: [Part] = []
        for piece in input.split(separator: 0xFF, omittingEmptySubsequences: false).prefix(16) {
            let part = Part(piece)
            do {
                try form.append(
                    .bytes(part.content),
                    name: part.name,
                    filename: part.filename,
                    contentType: part.contentType
                )
                try require(part.hasSendableNames, "accepted: \(part)")
                parts.append(part.asWritten)
            } catch is HTTPError {
                let hasGoodType = part.contentType.map { HTTPMediaType($0) != nil } ?? true
                try require(!part.hasSendableNames || !hasGoodType, "refused: \(part)")
            }
        }
        let written = try bytes(of: form)
        try require(written.count, equals: form.length ?? -1, "the length")
        let prefix = "multipart/form-data; boundary="
        try require(form.contentType.hasPrefix(prefix), form.contentType)
        let read = try Part.parse(written[...], boundary: Array(form.contentType.utf8.dropFirst(prefix.utf8.count)))
        try require(read, equals: parts, "the parts")
    }

    /// What a form writes, through a connection whose other end takes everything.
    private static func bytes(of form: MultipartForm) throws -> [UInt8] {
        try EventLoop.run {
            var ends: [Int32] = [0, 0]
            let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
            try require(socketpair(AF_UNIX, type, 0, &ends), equals: 0, "socketpair")
            defer { Glibc.close(ends[1]) }
            let socket = try Socket(descriptor: ends[0], loop: .current, isReady: true)
            let http = HTTPConnection(socket: socket, role: .response, limits: HTTPLimits())
            let times = ExchangeTimes(began: http.loop.now, readTimeout: 1_000_000_000)
            let writer = HTTPBodyWriter(http, framing: .length(form.length!), times)
            guard case .stream(let produce) = form.body.content else { throw FuzzFailure(description: "no stream") }
            try await produce(writer)
            try writer.finish()
            try await writer.flush()
            http.close()
            var written: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65536)
            while case let count = read(ends[1], &buffer, buffer.count), count > 0 { written += buffer[..<count] }
            return written
        }
    }

    private struct Part: Equatable {
        var name: String
        var content: [UInt8]
        var filename: String?
        var contentType: String?

        init(_ piece: ArraySlice<UInt8>) {
            let values = piece.split(separator: 0xFE, maxSplits: 3, omittingEmptySubsequences: false)
            func text(_ index: Int) -> String? {
                index < values.count ? String(decoding: values[index], as: UTF8.self) : nil
            }
            name = text(0)!
            content = values.count > 1 ? Array(values[1]) : []
            filename = text(2)
            contentType = text(3)
        }

        private init(name: String, content: [UInt8], filename: String?, contentType: String?) {
            (self.name, self.content, self.filename, self.contentType) = (name, content, filename, contentType)
        }

        /// Control characters but tab, CR and LF cannot be sent in a name.
        var hasSendableNames: Bool {
            (name + (filename ?? "")).utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || [0x09, 0x0D, 0x0A].contains($0) }
        }

        /// With the names as browsers write them.
        var asWritten: Part {
            func encoded(_ name: String) -> String {
                let bytes = name.utf8.flatMap { byte in
                    switch byte {
                    case 0x22: Array("%22".utf8)
                    case 0x0D: Array("%0D".utf8)
                    case 0x0A: Array("%0A".utf8)
                    default: [byte]
                    }
                }
                return String(decoding: bytes, as: UTF8.self)
            }
            var part = self
            part.name = encoded(name)
            part.filename = filename.map(encoded)
            return part
        }

        /// Files without a type have one, and types are written in a form of their own.
        static func == (left: Part, right: Part) -> Bool {
            func type(_ part: Part) -> HTTPMediaType? {
                (part.contentType ?? part.filename.map { _ in "application/octet-stream" }).flatMap {
                    HTTPMediaType($0)
                }
            }
            return left.name.utf8.elementsEqual(right.name.utf8) && left.content == right.content
                && left.filename.map { Array($0.utf8) } == right.filename.map { Array($0.utf8) }
                && type(left) == type(right)
        }

        // MARK: Taking a form apart

        static func parse(_ form: ArraySlice<UInt8>, boundary: [UInt8]) throws -> [Part] {
            var parts: [Part] = []
            var rest = form
            while true {
                try take("--", from: &rest)
                try take(boundary, from: &rest)
                if rest.elementsEqual("--\r\n".utf8) { return parts }
                try take("\r\n", from: &rest)
                let head = try upTo("\r\n\r\n".utf8, of: &rest)
                let content = try upTo("\r\n--".utf8 + boundary, of: &rest)
                rest = form[(rest.startIndex - 2 - boundary.count)...]
                parts.append(try part(head, Array(content)))
            }
        }

        private static func part(_ head: ArraySlice<UInt8>, _ content: [UInt8]) throws -> Part {
            var rest = head
            try take("Content-Disposition: form-data; name=\"", from: &rest)
            let name = try upTo("\"".utf8, of: &rest)
            var filename: String?
            if rest.starts(with: "; filename=\"".utf8) {
                try take("; filename=\"", from: &rest)
                filename = String(decoding: try upTo("\"".utf8, of: &rest), as: UTF8.self)
            }
            var type: String?
            if !rest.isEmpty {
                try take("\r\nContent-Type: ", from: &rest)
                try require(!rest.contains { $0 == 0x0D || $0 == 0x0A }, "a line more than expected")
                type = String(decoding: rest, as: UTF8.self)
            }
            let text = String(decoding: name, as: UTF8.self)
            return Part(name: text, content: content, filename: filename, contentType: type)
        }

        private static func take(_ text: String, from rest: inout ArraySlice<UInt8>) throws {
            try take(Array(text.utf8), from: &rest)
        }

        private static func take(_ expected: [UInt8], from rest: inout ArraySlice<UInt8>) throws {
            let found = String(decoding: rest.prefix(80), as: UTF8.self)
            try require(rest.starts(with: expected), "\(String(decoding: expected, as: UTF8.self)) expected: \(found)")
            rest = rest.dropFirst(expected.count)
        }

        private static func upTo(
            _ mark: some Collection<UInt8>,
            of rest: inout ArraySlice<UInt8>
        ) throws -> ArraySlice<UInt8> {
            var index = rest.startIndex
            while index < rest.endIndex, !rest[index...].starts(with: mark) { index += 1 }
            try require(index < rest.endIndex, "the end is missing")
            defer { rest = rest[(index + mark.count)...] }
            return rest[..<index]
        }
    }
}
