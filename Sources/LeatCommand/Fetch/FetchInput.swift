import Leat

/// The requests of a run, read from the arguments or from standard input as they are needed.
///
/// A line that is no request has its result at once, through `malformed`. Confined to the loop.
final class FetchInput: AsyncSequence, AsyncIteratorProtocol, @unchecked Sendable {
    private let options: FetchOptions
    private let lines: InputLines?
    private let malformed: (FetchResult) async throws -> Void
    /// Lines and arguments so far; they name the requests that do not name themselves.
    private var number = 0
    /// Requests that were given out, by their number in the batch, until their results come.
    private var underWay: [Int: FetchRequest] = [:]
    private var given = 0

    init(_ options: FetchOptions, malformed: @escaping (FetchResult) async throws -> Void) {
        self.options = options
        self.malformed = malformed
        lines = options.readsInput ? InputLines() : nil
    }

    func makeAsyncIterator() -> FetchInput { self }

    func next() async throws -> HTTPClientRequest? {
        while let line = try await nextLine() {
            number += 1
            if lines != nil, line.allSatisfy({ $0 == " " || $0 == "\t" }) { continue }
            do throws(FetchRequest.Failure) {
                let request = try FetchRequest(line: line, number: number)
                underWay[given] = request
                given += 1
                return HTTPClientRequest(
                    request.method,
                    request.url,
                    headerFields: request.headerFields(with: options.headerFields),
                    body: request.body.map { .bytes($0) } ?? .none
                )
            } catch {
                try await malformed(
                    FetchResult(id: error.id, url: error.text, attempts: 0, seconds: 0, error: error.reason)
                )
            }
        }
        return nil
    }

    private func nextLine() async throws -> String? {
        if let lines { return try await lines.next() }
        return number < options.urls.count ? options.urls[number] : nil
    }

    /// What the request with this number in the batch was made from.
    func take(_ index: Int) -> FetchRequest { underWay.removeValue(forKey: index)! }
}
