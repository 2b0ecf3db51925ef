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

/// A run: one client, the batch of all requests, the tally.
final class FetchRun: @unchecked Sendable {
    private let options: FetchOptions
    private let client: HTTPClient
    private let output = LineOutput()
    private let progress: ProgressBar?
    private var finished = 0
    private var failed = 0

    init(_ options: FetchOptions) {
        self.options = options
        var configuration = HTTPClient.Configuration()
        configuration.maximumConnections = options.concurrency
        configuration.maximumConnectionsPerHost = options.concurrency
        configuration.redirects = .none
        configuration.rateLimiter = options.rate.map { RateLimiter(perSecond: $0) }
        configuration.decompresses = options.compressed
        configuration.tls.trustRoots = options.trustRoots
        configuration.totalTimeout = options.timeout
        configuration.firstByteTimeout = options.timeout
        configuration.readTimeout = options.timeout
        configuration.connectTimeout = min(options.timeout, .seconds(30))
        client = HTTPClient(configuration: configuration)
        progress = StandardStream.errorIsTerminal ? ProgressBar() : nil
    }

    /// Makes all the requests. Returns how many had no answer.
    func run() async throws -> Int {
        let input = FetchInput(options) { malformed in try await self.print(malformed) }
        let batch = client.batch(
            input,
            concurrency: options.concurrency,
            retry: RetryPolicy(retries: options.retries),
            upTo: options.maximumBody
        )
        for try await result in batch { try await print(FetchResult(result, of: input.take(result.index))) }
        progress?.end(finished: finished, failed: failed)
        await client.shutdown()
        return failed
    }

    private func print(_ result: FetchResult) async throws {
        finished += 1
        if result.error != nil { failed += 1 }
        try await output.print(result.line(bodyForm: options.bodyForm))
        progress?.update(finished: finished, failed: failed)
    }
}

extension FetchResult {
    fileprivate init(_ result: HTTPBatchResult, of request: FetchRequest) {
        self.init(
            id: request.id,
            url: request.text,
            attempts: result.attempts,
            seconds: result.duration / .seconds(1)
        )
        switch result.response {
        case .success(let response):
            status = response.status.code
            body = response.body
        case .failure(let error):
            self.error = "\(error)"
        }
    }
}
