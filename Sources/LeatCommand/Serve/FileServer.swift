import Glibc
import Leat
import LeatHTTP

/// Answers requests with the files of a directory, and nothing outside of it.
final class FileServer: Sendable {
    /// The directory, held open: what it is called does not matter any more.
    private let directory: Int32

    /// Files up to this size are read whole; larger ones are streamed in pieces of this size.
    private static let pieceSize = 262_144
    /// Files of unknown size are streamed in pieces of this size.
    private static let smallPieceSize = 65_536

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

    private func open(_ path: [UInt8]) async throws -> ServedFile {
        let directory = directory
        return try await EventLoop.current.offload { try ServedFile(path: path, below: directory) }
    }

    private func answer(_ request: HTTPRequest, path: [UInt8], target: String) async throws -> HTTPServerResponse {
        let file = try await open(path)
        let pathPart = target.prefix { $0 != "?" }
        switch file.kind {
        case .file where pathPart.hasSuffix("/"): return Self.plain(.notFound)
        case .file:
            return try await answer(request, with: file, type: Self.type(of: String(decoding: path, as: UTF8.self)))
        case .directory where !pathPart.hasSuffix("/"):
            return HTTPServerResponse(status: .movedPermanently, headerFields: [.location: Self.withSlash(target)])
        case .directory:
            do {
                let index = try await open(path + Array("/index.html".utf8))
                if index.kind == .file {
                    return try await answer(request, with: index, type: Self.type(of: "index.html"))
                }
            } catch let error as SystemError where error.code == ENOENT {
                // No index: a listing.
            }
            return try await list(file, title: String(pathPart), for: request)
        }
    }

    /// The target with a slash after its path. One leading slash only, for two would name a host.
    private static func withSlash(_ target: String) -> String {
        let path = target.prefix { $0 != "?" }
        return "/" + path.drop { $0 == "/" } + "/" + target.dropFirst(path.count)
    }

    // MARK: Files

    private static func type(of path: String) -> String { (HTTPContentType(path: path) ?? .octetStream).value }

    private func answer(
        _ request: HTTPRequest,
        with file: ServedFile,
        type: String
    ) async throws -> HTTPServerResponse {
        let beginning = try await beginningOfUnknownSize(file)
        // A version of what is made while it is read cannot be told from another.
        let validators = beginning.isEmpty ? file.validators : Validators()
        if let answer = Self.conditionalAnswer(request, validators) { return answer }
        var fields = validators.headerFields
        fields[.contentType] = type
        guard beginning.isEmpty else {
            return HTTPServerResponse(headerFields: fields, body: Self.body(file, after: beginning))
        }
        fields[.acceptRanges] = "bytes"
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

    /// The answer to a request whose conditions do not hold; nil if they do.
    private static func conditionalAnswer(_ request: HTTPRequest, _ validators: Validators) -> HTTPServerResponse? {
        switch Preconditions.evaluate(request.headerFields, for: validators) {
        case .met: nil
        case .failed: plain(.preconditionFailed)
        case .notModified: HTTPServerResponse(status: .notModified, headerFields: validators.headerFields)
        }
    }

    /// Ranges are for GET (RFC 9110 §14.2).
    private static func range(of file: ServedFile, for request: HTTPRequest) -> ByteRange {
        guard request.method == .get, Preconditions.allowRange(request.headerFields, for: file.validators) else {
            return .whole
        }
        return ByteRange(request.headerFields[.range], size: file.size)
    }

    /// What a file whose size is 0 begins with. Most are empty. Those of proc(5) and the like are not: only reading them tells.
    private func beginningOfUnknownSize(_ file: ServedFile) async throws -> [UInt8] {
        guard file.size == 0 else { return [] }
        return try await EventLoop.current.offload { try file.readOn(upTo: Self.smallPieceSize) }
    }

    /// A chunked body, up to the end of the file.
    private static func body(_ file: ServedFile, after beginning: [UInt8]) -> HTTPBody {
        .stream { writer in
            var piece = beginning
            while !piece.isEmpty {
                try await writer.write(piece)
                piece = try await EventLoop.current.offload { try file.readOn(upTo: Self.smallPieceSize) }
            }
        }
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

    /// Reads, sorts and renders in pieces, off the loop. Neither the loop nor a thread is held for long, however large the
    /// directory is.
    private func list(
        _ directory: ServedFile,
        title: String,
        for request: HTTPRequest
    ) async throws -> HTTPServerResponse {
        if let answer = Self.conditionalAnswer(request, Validators()) { return answer }
        let loop = EventLoop.current
        let names = try await loop.offload { try DirectoryNames(of: directory, limit: ListingPage.maximumEntries) }
        while try await loop.offload({ try names.readMore() }) {}
        let page = try await loop.offload { ListingPage(title: title, directory: directory, names: names) }
        let beginning = try await loop.offload { page.nextPiece() }
        let fields: HTTPFields = [.contentType: "text/html; charset=utf-8"]
        guard !page.isComplete else { return HTTPServerResponse(headerFields: fields, body: .bytes(beginning)) }
        let body = HTTPBody.stream { writer in
            try await writer.write(beginning)
            while !page.isComplete {
                try await writer.write(try await EventLoop.current.offload { page.nextPiece() })
            }
        }
        return HTTPServerResponse(headerFields: fields, body: body)
    }
}
