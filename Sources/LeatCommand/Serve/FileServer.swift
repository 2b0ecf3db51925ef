import Glibc
import Leat
import LeatHTTP

/// Answers requests with the files of a directory, and nothing outside of it.
final class FileServer: Sendable {
    /// The directory, held open: what it is called does not matter any more.
    private let directory: Int32

    /// Files up to this size are read whole; larger ones are streamed in pieces of this size.
    private static let pieceSize = 262_144

    init(directory path: String) throws {
        directory = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw SystemError(code: errno, operation: "open \(path)") }
    }

    deinit { close(directory) }

    func answer(_ request: HTTPRequest) async throws -> HTTPServerResponse {
        guard request.method == .get || request.method == .head else {
            return HTTPServerResponse(status: .methodNotAllowed, headerFields: [.allow: "GET, HEAD"])
        }
        let target = request.path ?? "/"
        guard let path = RequestPath.file(for: target) else { return Self.plain(.notFound) }
        do {
            return try await answer(request, path: path, target: target)
        } catch let error as SystemError {
            switch error.code {
            case EACCES, EPERM: return Self.plain(.forbidden)
            case ENOENT, ENOTDIR, EXDEV, ELOOP, ENAMETOOLONG, ENXIO: return Self.plain(.notFound)
            case EMFILE, ENFILE, ENOMEM: return Self.plain(.serviceUnavailable)
            default: throw error
            }
        }
    }

    private static func plain(_ status: HTTPResponse.Status) -> HTTPServerResponse {
        HTTPServerResponse(
            status: status,
            headerFields: [.contentType: "text/plain; charset=utf-8"],
            body: .text("\(status.code) \(status.reasonPhrase)\n")
        )
    }

    private func open(_ path: String) async throws -> ServedFile {
        let directory = directory
        return try await EventLoop.current.offload { try ServedFile(path: path, below: directory) }
    }

    private func answer(_ request: HTTPRequest, path: String, target: String) async throws -> HTTPServerResponse {
        let file = try await open(path)
        let pathPart = target.prefix { $0 != "?" }
        switch file.kind {
        case .file where pathPart.hasSuffix("/"): return Self.plain(.notFound)
        case .file: return try await answer(request, with: file, path: path)
        case .directory where !pathPart.hasSuffix("/"):
            return HTTPServerResponse(status: .movedPermanently, headerFields: [.location: Self.withSlash(target)])
        case .directory:
            do {
                let index = try await open(path + "/index.html")
                if index.kind == .file { return try await answer(request, with: index, path: "index.html") }
            } catch let error as SystemError where error.code == ENOENT {
                // No index: a listing.
            }
            return try await list(file, title: String(pathPart))
        }
    }

    /// The target with a slash after its path. One leading slash only, for two would name a host.
    private static func withSlash(_ target: String) -> String {
        let path = target.prefix { $0 != "?" }
        return "/" + path.drop { $0 == "/" } + "/" + target.dropFirst(path.count)
    }

    // MARK: Files

    private func answer(
        _ request: HTTPRequest,
        with file: ServedFile,
        path: String
    ) async throws -> HTTPServerResponse {
        var fields: HTTPFields = [
            .lastModified: HTTPDate.format(file.modified),
            .eTag: file.entityTag,
            .acceptRanges: "bytes",
        ]
        if Self.isUnchanged(file, for: request.headerFields) {
            return HTTPServerResponse(status: .notModified, headerFields: fields)
        }
        fields[.contentType] = (HTTPContentType(path: path) ?? .octetStream).value
        switch Self.range(of: file, for: request) {
        case .whole:
            return HTTPServerResponse(headerFields: fields, body: try await body(file, 0..<file.size, request.method))
        case .part(let range):
            fields[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(file.size)"
            let body = try await body(file, range, request.method)
            return HTTPServerResponse(status: .partialContent, headerFields: fields, body: body)
        case .unsatisfiable:
            let fields: HTTPFields = [.contentRange: "bytes */\(file.size)"]
            return HTTPServerResponse(status: .rangeNotSatisfiable, headerFields: fields)
        }
    }

    /// If-None-Match, and If-Modified-Since where there is none (RFC 9110 §13.1).
    private static func isUnchanged(_ file: ServedFile, for fields: HTTPFields) -> Bool {
        if let tags = fields[.ifNoneMatch] {
            return tags == "*"
                || tags.split(separator: ",").contains { tag in
                    let tag = tag.drop { $0 == " " || $0 == "\t" }
                    return (tag.hasPrefix("W/") ? tag.dropFirst(2) : tag) == file.entityTag[...]
                }
        }
        guard let date = fields[.ifModifiedSince].flatMap(HTTPDate.parse) else { return false }
        return file.modified <= date
    }

    /// Ranges are for GET, and under If-Range only if the file is still the same (RFC 9110 §13.1.5).
    private static func range(of file: ServedFile, for request: HTTPRequest) -> ByteRange {
        guard request.method == .get else { return .whole }
        if let condition = request.headerFields[.ifRange],
            condition != file.entityTag, HTTPDate.parse(condition) != file.modified
        {
            return .whole
        }
        return ByteRange(request.headerFields[.range], size: file.size)
    }

    private func body(_ file: ServedFile, _ range: Range<Int>, _ method: HTTPRequest.Method) async throws -> HTTPBody {
        // For HEAD the length is all that is wanted of it.
        if method != .head, range.count <= Self.pieceSize {
            return .bytes(try await EventLoop.current.offload { try file.read(range) })
        }
        return .stream(length: range.count) { writer in
            var start = range.lowerBound
            while start < range.upperBound {
                let piece = start..<min(start + Self.pieceSize, range.upperBound)
                try await writer.write(try await EventLoop.current.offload { try file.read(piece) })
                start = piece.upperBound
            }
        }
    }

    // MARK: Directories

    private func list(_ directory: ServedFile, title: String) async throws -> HTTPServerResponse {
        let names = try await EventLoop.current.offload { try directory.names() }
        var page = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>\(Self.escaped(title))</title>\n"
        page += "<h1>\(Self.escaped(title))</h1>\n<ul>\n"
        if title != "/" { page += "<li><a href=\"../\">../</a>\n" }
        for name in names {
            let slash = name.hasSuffix("/") ? "/" : ""
            let link = "./" + PercentEncoding.encode(String(name.dropLast(slash.count))) + slash
            page += "<li><a href=\"\(link)\">\(Self.escaped(name))</a>\n"
        }
        page += "</ul>\n"
        return HTTPServerResponse(headerFields: [.contentType: "text/html; charset=utf-8"], body: .text(page))
    }

    private static func escaped(_ text: String) -> String {
        var output = ""
        for character in text.unicodeScalars {
            switch character {
            case "<": output += "&lt;"
            case ">": output += "&gt;"
            case "&": output += "&amp;"
            case "\"": output += "&quot;"
            default: output.unicodeScalars.append(character)
            }
        }
        return output
    }
}
