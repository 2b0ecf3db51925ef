import Leat

/// The requests of a run, read from the arguments or from standard input as they are needed: those of its shard that the
/// journal has no result of.
///
/// A line that is no request has its result at once, through `malformed`. Confined to the loop.
final class FetchInput: AsyncSequence, AsyncIteratorProtocol, @unchecked Sendable {
    private let options: FetchOptions
    private let journal: Journal?
    private let lines: InputLines?
    private let malformed: (FetchResult) async throws -> Void
    /// Lines and arguments so far; they name the requests that do not name themselves.
    private var number = 0
    /// Requests among them, those of other shards too.
    private var index = 0
    /// Lines whose results were not printed yet, by their number.
    private var unfinished: [Int: String] = [:]
    /// Requests that were given out, by their number in the batch, until their results come.
    private var underWay: [Int: FetchRequest] = [:]
    private var given = 0
    /// Requests that the journal has a result of.
    private(set) var skipped = 0

    init(_ options: FetchOptions, journal: Journal?, malformed: @escaping (FetchResult) async throws -> Void) {
        self.options = options
        self.journal = journal
        self.malformed = malformed
        lines = options.readsInput ? InputLines() : nil
    }

    func makeAsyncIterator() -> FetchInput { self }

    func next() async throws -> HTTPClientRequest? {
        while let (line, request) = try await nextUnfinished() {
            unfinished[number] = line
            switch request {
            case .success(let request):
                underWay[given] = request
                given += 1
                return HTTPClientRequest(
                    request.method,
                    request.url,
                    headerFields: request.headerFields(with: options.headerFields),
                    body: request.body.map { .bytes($0) } ?? .none
                )
            case .failure(let error):
                let number = number
                try await malformed(
                    FetchResult(id: error.id, url: error.text, attempts: 0, seconds: 0, error: error.reason)
                )
                unfinished[number] = nil
            }
        }
        return nil
    }

    /// What the request with this number in the batch was made from.
    func take(_ index: Int) -> FetchRequest { underWay.removeValue(forKey: index)! }

    /// Its result was printed.
    func finish(_ request: FetchRequest) { unfinished[request.number] = nil }

    /// Once nobody calls ``next()`` any more: writes down what has no result yet, as far as it can be had without waiting.
    func save(to remaining: inout RemainingRequests) async throws {
        for (number, line) in unfinished.sorted(by: { $0.key < $1.key }) {
            try remaining.append(FetchRequest.selfContained(line, number: number))
        }
        lines?.stopWaiting()
        while let (line, _) = try await nextUnfinished() {
            try remaining.append(FetchRequest.selfContained(line, number: number))
        }
    }

    private typealias Parsed = Result<FetchRequest, FetchRequest.Failure>

    private func nextUnfinished() async throws -> (line: String, request: Parsed)? {
        while let line = try await nextLine() {
            number += 1
            if lines != nil, line.utf8.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
            defer { index += 1 }
            if let shard = options.shard, !shard.contains(index) { continue }
            let request = Result { () throws(FetchRequest.Failure) in try FetchRequest(line: line, number: number) }
            if let journal, case .success(let request) = request, journal.keys.contains(request) {
                skipped += 1
                continue
            }
            return (line, request)
        }
        return nil
    }

    private func nextLine() async throws -> String? {
        if let lines { return try await lines.next() }
        return number < options.urls.count ? options.urls[number] : nil
    }
}
