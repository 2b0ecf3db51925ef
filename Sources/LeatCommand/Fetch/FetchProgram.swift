import Glibc
import Leat

/// `leat fetch`: as many requests at once as are allowed, a line for each as it finishes.
struct FetchProgram: LoopProgram {
    /// Set before the loop exists, read after.
    nonisolated(unsafe) static var options = FetchOptions()

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        let run = FetchRun(Self.options)
        let failed = try await run.run()
        if failed > 0 { exit(1) }
    }
}

/// The state of a run: one client, the permits, the tally.
final class FetchRun: @unchecked Sendable {
    private let options: FetchOptions
    private let client: HTTPClient
    private let policy: FetchRetries
    /// Held by a request while it is being sent and answered, not while it waits to be tried again.
    private let permits: AsyncSemaphore
    /// Held by a request from when it is read until its line is printed: bounds what is read ahead.
    private let places: AsyncSemaphore
    private let output = LineOutput()
    private let progress: ProgressBar?
    private var finished = 0
    private var failed = 0

    /// Requests that are read while all permits are taken.
    private static let readAhead = 16

    init(_ options: FetchOptions) {
        self.options = options
        var configuration = HTTPClient.Configuration()
        configuration.maximumConnections = options.concurrency
        configuration.maximumConnectionsPerHost = options.concurrency
        configuration.redirects = .none
        configuration.decompresses = options.compressed
        configuration.tls.trustRoots = options.trustRoots
        configuration.totalTimeout = options.timeout
        configuration.readTimeout = options.timeout
        configuration.connectTimeout = min(options.timeout, .seconds(30))
        client = HTTPClient(configuration: configuration)
        policy = FetchRetries(retries: options.retries)
        permits = AsyncSemaphore(value: options.concurrency)
        places = AsyncSemaphore(value: options.concurrency + Self.readAhead)
        progress = StandardStream.errorIsTerminal ? ProgressBar() : nil
    }

    /// Makes all the requests. Returns how many had no answer.
    func run() async throws -> Int {
        try await withThrowingDiscardingTaskGroup { group in
            var number = 0
            let input = options.readsInput ? InputLines() : nil
            while true {
                try await places.acquire()
                let next = if let input { try await input.next() } else { operand(number) }
                guard let line = next else { break }
                number += 1
                if input != nil, line.allSatisfy({ $0 == " " || $0 == "\t" }) {
                    places.release()
                    continue
                }
                let position = number
                group.addTask {
                    defer { self.places.release() }
                    try await self.finish(line, position)
                }
            }
        }
        progress?.end(finished: finished, failed: failed)
        await client.shutdown()
        return failed
    }

    private func operand(_ index: Int) -> String? {
        index < options.urls.count ? options.urls[index] : nil
    }

    private func finish(_ line: String, _ number: Int) async throws {
        let result: FetchResult
        do throws(FetchRequest.Failure) {
            let request = try FetchRequest(line: line, number: number)
            result = await fetch(request)
        } catch {
            result = FetchResult(id: error.id, url: error.text, attempts: 0, seconds: 0, error: error.reason)
        }
        finished += 1
        if result.error != nil { failed += 1 }
        try await output.print(result.line(bodyForm: options.bodyForm))
        progress?.update(finished: finished, failed: failed)
    }

    /// Tries a request until it has an answer that is worth keeping, or there are no tries left.
    private func fetch(_ request: FetchRequest) async -> FetchResult {
        let clock = EventLoop.current.clock
        let start = clock.now
        let fields = request.headerFields(with: options.headerFields)
        var generator = SystemRandomNumberGenerator()
        var attempt = 0
        while true {
            attempt += 1
            let outcome = await attemptOnce(request, fields)
            let retryAfter: Int?
            switch outcome {
            case .success(let response):
                guard attempt <= policy.retries, policy.retries(response.status.code, to: request.method) else {
                    return self.result(of: request, response, attempt, start.duration(to: clock.now))
                }
                retryAfter = FetchRetries.retryAfter(response.headerFields, now: time(nil))
            case .failure(let error):
                guard attempt <= policy.retries, policy.retries(error, to: request.method) else {
                    return failure(of: request, error, attempt, start.duration(to: clock.now))
                }
                retryAfter = nil
            }
            do throws(CancellationError) {
                try await sleep(for: policy.wait(after: attempt, retryAfter: retryAfter, using: &generator))
            } catch {
                return failure(of: request, error, attempt, start.duration(to: clock.now))
            }
        }
    }

    private func attemptOnce(
        _ request: FetchRequest,
        _ fields: HTTPFields
    ) async -> Result<HTTPClientResponse, any Error> {
        do {
            return .success(
                try await permits.withPermit {
                    try await client.request(
                        request.method,
                        request.url,
                        headerFields: fields,
                        body: request.body.map { .bytes($0) } ?? .none,
                        upTo: options.maximumBody
                    )
                }
            )
        } catch {
            return .failure(error)
        }
    }

    private func result(
        of request: FetchRequest,
        _ response: HTTPClientResponse,
        _ attempts: Int,
        _ elapsed: Duration
    ) -> FetchResult {
        FetchResult(
            id: request.id,
            url: request.text,
            status: response.status.code,
            attempts: attempts,
            seconds: elapsed / .seconds(1),
            body: response.body
        )
    }

    private func failure(
        of request: FetchRequest,
        _ error: any Error,
        _ attempts: Int,
        _ elapsed: Duration
    ) -> FetchResult {
        FetchResult(
            id: request.id,
            url: request.text,
            attempts: attempts,
            seconds: elapsed / .seconds(1),
            error: "\(error)"
        )
    }
}
