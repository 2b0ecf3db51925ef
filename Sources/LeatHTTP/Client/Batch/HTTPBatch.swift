extension HTTPClient {
    /// Sends many requests, some at a time, and gives their results as they come.
    ///
    /// ```swift
    /// for try await result in client.batch(requests, concurrency: 100, retry: RetryPolicy(retries: 4)) {
    ///     print(result.request.url, result.attempts, try result.response.get().status)
    /// }
    /// ```
    ///
    /// `requests` is read lazily, a few ahead of what is under way, so it may be endless, or wait for a result itself. A slow
    /// reader of the results slows the batch down: what is under way, waits for a retry, or has not been read yet is
    /// bounded by the concurrency and 16 more. A request that waits for its next try keeps no other from being sent. When the
    /// reading task leaves the loop over the results, by an error or otherwise, the requests under way are cancelled;
    /// ``HTTPBatch/stop()`` lets them end.
    ///
    /// If the concurrency is above the client's limit of connections to one host, that limit bounds the requests under way
    /// to each host too. A slow host then keeps no others waiting, as long as those are found in the input: up to 4,096
    /// requests are read ahead instead of 16.
    ///
    /// - Parameters:
    ///   - concurrency: Requests under way at once, at least 1. The pool's limits hold besides.
    ///   - retry: When a request is tried again; by default the configuration's.
    ///   - order: In which order results come. Default: as they complete.
    ///   - maximum: The largest body of a response, in bytes; by default the configuration's.
    public func batch<Requests: AsyncSequence>(
        _ requests: Requests,
        concurrency: Int,
        retry: RetryPolicy? = nil,
        order: HTTPBatchOrder = .completion,
        upTo maximum: Int? = nil
    ) -> HTTPBatch<Requests> where Requests.Element == HTTPClientRequest {
        precondition(concurrency > 0, "a batch needs a concurrency of at least 1")
        let run = BatchRun(self, concurrency, retry ?? configuration.retry, order, maximum)
        return HTTPBatch(run: run, requests: requests)
    }

    /// As ``batch(_:concurrency:retry:order:upTo:)``, for requests that are there already or are computed as needed.
    public func batch<Requests: Sequence>(
        _ requests: Requests,
        concurrency: Int,
        retry: RetryPolicy? = nil,
        order: HTTPBatchOrder = .completion,
        upTo maximum: Int? = nil
    ) -> HTTPBatch<SynchronousSequence<Requests>> where Requests.Element == HTTPClientRequest {
        batch(
            SynchronousSequence(base: requests),
            concurrency: concurrency,
            retry: retry,
            order: order,
            upTo: maximum
        )
    }
}

/// The order of the results of a batch.
public enum HTTPBatchOrder: Sendable {
    /// As requests complete.
    case completion
    /// As the requests came. A slow one holds up the results behind it, which count as not yet read.
    case input
}

/// What became of one request of a batch.
public struct HTTPBatchResult: Sendable {
    /// The request's number in the input, from 0.
    public let index: Int
    public let request: HTTPClientRequest
    /// The response, whatever its status, or ``HTTPError``.
    public let response: Result<HTTPClientResponse, any Error>
    /// How often it was tried.
    public let attempts: Int
    /// From its beginning to its end, waits between tries included.
    public let duration: Duration
}

/// How far a batch has come.
public struct HTTPBatchProgress: Sendable, Hashable {
    /// Requests that were taken from the input.
    public var begun = 0
    /// Requests that have a result.
    public var finished = 0
    /// Those of them whose result is an error.
    public var failed = 0
    /// Tries beyond the first, of the requests that have finished.
    public var retries = 0
    /// Bytes of the bodies received.
    public var bytes = 0
}

/// The results of a batch, as an asynchronous sequence. To be read once. Confined to its loop.
public struct HTTPBatch<Requests: AsyncSequence>: AsyncSequence where Requests.Element == HTTPClientRequest {
    let run: BatchRun
    let requests: Requests

    /// How far it has come, at any time.
    public var progress: HTTPBatchProgress { run.progress }

    /// Ends the batch early. The reading of the input is cancelled, and no try begins any more. Those under way end as they
    /// would have; a request that still waits for a try, its first or another, has `CancellationError` as its result. After
    /// the last result the input is not being read any more.
    public func stop() { run.stop() }

    /// Begins the batch. Precondition: it has not begun yet.
    public func makeAsyncIterator() -> Iterator {
        run.start(requests)
        return Iterator(run: BatchRun.Handle(run))
    }

    /// Gives out the results; dropping it ends the batch.
    public struct Iterator: AsyncIteratorProtocol {
        let run: BatchRun.Handle

        /// The next result; nil after the last. Throws what the input throws, or `CancellationError`.
        public mutating func next() async throws -> HTTPBatchResult? { try await run.run.next() }
    }
}

/// A sequence that never has to be waited for.
public struct SynchronousSequence<Base: Sequence>: AsyncSequence {
    let base: Base

    public func makeAsyncIterator() -> Iterator { Iterator(base: base.makeIterator()) }

    public struct Iterator: AsyncIteratorProtocol {
        var base: Base.Iterator

        public mutating func next() async -> Base.Element? { base.next() }
    }
}
