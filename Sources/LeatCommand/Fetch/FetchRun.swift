import Leat

/// A run: one client, the batch of all requests, the tally.
final class FetchRun: @unchecked Sendable {
    /// How a run ended.
    enum Status: Int32 {
        case answered = 0
        case someFailed = 1
        case tooManyErrors = 6
        case signalled = 7
    }

    private let options: FetchOptions
    private let journal: Journal?
    private let client: HTTPClient
    private let output: LineOutput
    private let progress: ProgressBar?
    private var finished = 0
    private var failed = 0
    /// Why the run ends before its work is done; nil while it does not.
    private var early: Status?
    private var work: Task<Void, any Error>?
    private lazy var input = FetchInput(options, journal: journal) { [unowned self] in try await print($0) }
    private lazy var batch = client.batch(
        input,
        concurrency: options.concurrency,
        retry: RetryPolicy(retries: options.retries),
        upTo: options.maximumBody
    )

    /// How long requests under way are waited for when the run ends early.
    private static let patience = Duration.seconds(5)

    init(_ options: FetchOptions, _ journal: Journal?) {
        self.options = options
        self.journal = journal
        var configuration = HTTPClient.Configuration()
        configuration.maximumConnections = options.concurrency
        configuration.maximumConnectionsPerHost = min(options.perHost ?? .max, options.concurrency)
        configuration.redirects = .none
        configuration.rateLimiter = options.rate.map { RateLimiter(perSecond: $0) }
        configuration.decompresses = options.compressed
        configuration.tls.trustRoots = options.trustRoots
        configuration.proxy = options.proxy
        configuration.unixSocket = options.unixSocket
        configuration.totalTimeout = options.timeout
        configuration.firstByteTimeout = options.timeout
        configuration.readTimeout = options.timeout
        configuration.connectTimeout = min(options.timeout, .seconds(30))
        client = HTTPClient(configuration: configuration)
        output = journal.map { LineOutput(descriptor: $0.descriptor, name: $0.path) } ?? LineOutput()
        progress = StandardStream.errorIsTerminal ? ProgressBar() : nil
    }

    /// Makes all the requests, or as many as it gets to.
    func run() async throws -> Status {
        // Whoever sends one signal may send it twice, as timeout(1) does: to the process, and to its group. The wait has an end.
        let signals = options.remaining == nil ? nil : try TerminationSignals(onlyOnce: false) { self.end(.signalled) }
        try signals?.watch(on: .current)
        defer { signals?.ignore(on: .current) }
        // A task of its own, so that a wait for a result, or for whoever reads the output, can be ended.
        let work = Task { try await self.printResults() }
        self.work = work
        do {
            try await work.value
        } catch is CancellationError where early != nil {
            // Those under way took too long.
        }
        progress?.end(finished: finished, failed: failed)
        if let journal { report(journal, skipped: input.skipped) }
        guard let early else {
            await client.shutdown()
            return failed > 0 ? .someFailed : .answered
        }
        if early == .tooManyErrors, let limit = options.maximumErrors { say("stopped after \(count(limit, "error"))") }
        if let path = options.remaining {
            var remaining = try RemainingRequests(path: path)
            try await input.save(to: &remaining)
            say("\(count(try remaining.finish(), "request")) not finished, written to \(path)")
        }
        return early
    }

    private func printResults() async throws {
        for try await result in batch {
            let request = input.take(result.index)
            // Neither done nor failed: the run was ended before its turn came.
            if case .failure(is CancellationError) = result.response { continue }
            try await print(FetchResult(result, of: request))
            input.finish(request)
        }
    }

    /// Lets no more requests begin, and those under way end if they can do so in time.
    private func end(_ status: Status) {
        guard early == nil else { return }
        early = status
        batch.stop()
        EventLoop.current.schedule(after: Self.patience) { self.work?.cancel() }
    }

    private func print(_ result: FetchResult) async throws {
        finished += 1
        if result.error != nil { failed += 1 }
        try await output.print(result.line(bodyForm: options.bodyForm))
        progress?.update(finished: finished, failed: failed)
        if let limit = options.maximumErrors, failed >= limit { end(.tooManyErrors) }
    }

    private func report(_ journal: Journal, skipped: Int) {
        if journal.tornBytes > 0 {
            say("the last line of \(journal.path) was not complete: \(count(journal.tornBytes, "byte")) cut off")
        }
        if skipped > 0 { say("\(count(skipped, "request")) had a result in \(journal.path) already") }
    }

    private func say(_ text: String) { StandardStream.error("leat: \(text)\n") }

    private func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
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
