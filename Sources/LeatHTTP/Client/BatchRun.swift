import LeatLoop
import LeatReactor

/// A batch while it runs: what was begun, what may be begun, and the results that nobody has taken yet.
///
/// Three parties meet here, all on one loop: a task that reads the input, a task for each request, and the reader.
final class BatchRun: @unchecked Sendable {
    private let client: HTTPClient
    private let concurrency: Int
    private let policy: RetryPolicy
    private let order: HTTPBatchOrder
    private let maximum: Int?
    private let permits: AsyncSemaphore
    private let room: ParkingSpot
    private let result: ParkingSpot

    private(set) var progress = HTTPBatchProgress()
    private var hasStarted = false
    private var hasEnded = false
    /// Requests that were begun and whose results were not taken.
    private var outstanding = 0
    private var inputEnd: Result<Void, any Error>?
    private var feeder: Task<Void, Never>?
    private var tasks: [Int: Task<Void, Never>] = [:]
    private var results = ReadyDeque<HTTPBatchResult>(minimumCapacity: 16)
    /// Under ``HTTPBatchOrder/input``: results that wait for an earlier one.
    private var early: [Int: HTTPBatchResult] = [:]
    private var nextInOrder = 0

    init(
        _ client: HTTPClient,
        _ concurrency: Int,
        _ policy: RetryPolicy,
        _ order: HTTPBatchOrder,
        _ maximum: Int?
    ) {
        self.client = client
        self.concurrency = concurrency
        self.policy = policy
        self.order = order
        self.maximum = maximum
        permits = AsyncSemaphore(value: concurrency)
        room = ParkingSpot(loop: client.loop)
        result = ParkingSpot(loop: client.loop)
    }

    /// Ends the batch when the last who reads it is gone.
    final class Handle {
        let run: BatchRun

        init(_ run: BatchRun) { self.run = run }

        deinit { run.end() }
    }

    // MARK: The input

    /// Requests that are read while as many as may be are under way.
    private static var readAhead: Int { 16 }

    /// Whether another request may be read.
    private var hasRoom: Bool { outstanding < concurrency + Self.readAhead }

    func start<Requests: AsyncSequence>(_ requests: Requests) where Requests.Element == HTTPClientRequest {
        client.loop.preconditionOnLoop()
        precondition(!hasStarted, "a batch is read once")
        hasStarted = true
        let source = Source(iterator: requests.makeAsyncIterator())
        let input = Input { try await source.iterator.next() }
        feeder = Task(executorPreference: client.loop.preference) { [self] in
            do {
                while await waitForRoom(), let request = try await input.next() { begin(request) }
                inputEnd = .success(())
            } catch {
                inputEnd = .failure(error)
            }
            result.wake(.ready)
        }
    }

    private final class Source<Iterator: AsyncIteratorProtocol>: @unchecked Sendable {
        var iterator: Iterator

        init(iterator: Iterator) { self.iterator = iterator }
    }

    /// Carries the iterator into the task, whose it is from then on.
    private struct Input: @unchecked Sendable {
        let next: () async throws -> HTTPClientRequest?
    }

    /// Returns false when the batch has ended.
    private func waitForRoom() async -> Bool {
        while !hasRoom, !hasEnded { _ = await room.park(.batch) }
        return !hasEnded
    }

    private func begin(_ request: HTTPClientRequest) {
        guard !hasEnded else { return }
        let index = progress.begun
        progress.begun += 1
        outstanding += 1
        tasks[index] = Task(executorPreference: client.loop.preference) { [self] in
            await perform(request, index)
        }
    }

    // MARK: One request

    private func perform(_ request: HTTPClientRequest, _ index: Int) async {
        let start = client.loop.clock.now
        var attempts = 0
        let response: Result<HTTPClientResponse, any Error>
        do {
            response = .success(try await client.execute(request, policy, upTo: maximum, batch: self, &attempts))
        } catch {
            response = .failure(error)
        }
        tasks[index] = nil
        finish(
            HTTPBatchResult(
                index: index,
                request: request,
                response: response,
                attempts: attempts,
                duration: start.duration(to: client.loop.clock.now)
            )
        )
    }

    /// Takes a place among the requests under way, for one try.
    func enter() async throws {
        try await permits.acquire()
    }

    func leave() {
        permits.release()
    }

    private func finish(_ done: HTTPBatchResult) {
        progress.finished += 1
        progress.retries += max(0, done.attempts - 1)
        switch done.response {
        case .success(let response): progress.bytes += response.body.count
        case .failure: progress.failed += 1
        }
        switch order {
        case .completion:
            results.append(done)
        case .input:
            early[done.index] = done
            while let next = early.removeValue(forKey: nextInOrder) {
                results.append(next)
                nextInOrder += 1
            }
        }
        result.wake(.ready)
    }

    // MARK: The results

    func next() async throws -> HTTPBatchResult? {
        while true {
            if let done = results.popFirst() {
                outstanding -= 1
                room.wake(.ready)
                return done
            }
            if let inputEnd, outstanding == 0 {
                try inputEnd.get()
                return nil
            }
            guard await result.parkCancellably(.batch) == .ready else { throw CancellationError() }
        }
    }

    /// Ends what is under way; nobody reads its results.
    func end() {
        client.loop.execute { [self] in
            hasEnded = true
            feeder?.cancel()
            for task in tasks.values { task.cancel() }
            room.wake(.ready)
        }
    }
}
