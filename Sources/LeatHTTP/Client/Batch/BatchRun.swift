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
    /// Nil if the concurrency alone keeps to the client's limit for a host.
    private let hostPermits: HostPermits?
    private let room: ParkingSpot
    private let result: ParkingSpot

    private(set) var progress = HTTPBatchProgress()
    private var hasStarted = false
    /// Whether no try begins any more.
    private var hasEnded = false
    /// Requests that were begun and whose results were not taken.
    private var outstanding = 0
    private var inputEnd: Result<Void, any Error>?
    private var feeder: Task<Void, Never>?
    private var members: [Int: Member] = [:]
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
        let perHost = client.configuration.maximumConnectionsPerHost
        hostPermits = perHost < concurrency ? HostPermits(perHost: perHost) : nil
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

    /// Requests that are read while as many as may be are under way. More if hosts have permits of their own: behind the
    /// requests that wait for a slow host, those to others are to be found.
    private var readAhead: Int { hostPermits == nil ? 16 : 4096 }

    /// Whether another request may be read.
    private var hasRoom: Bool { outstanding < concurrency + readAhead }

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
                inputEnd = hasEnded ? .success(()) : .failure(error)
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
        let member = Member(self, request, progress.begun)
        progress.begun += 1
        outstanding += 1
        members[member.index] = member
        member.task = Task(executorPreference: client.loop.preference) { [self] in await perform(member) }
    }

    // MARK: One request

    /// A request of the batch, and the task that performs it.
    final class Member: @unchecked Sendable {
        fileprivate let run: BatchRun
        fileprivate let request: HTTPClientRequest
        fileprivate let index: Int
        fileprivate var task: Task<Void, Never>?
        /// Whether it is being sent and answered, rather than waiting for its place or for its next try.
        fileprivate var isUnderWay = false

        fileprivate init(_ run: BatchRun, _ request: HTTPClientRequest, _ index: Int) {
            self.run = run
            self.request = request
            self.index = index
        }

        /// Takes a place among the requests under way, for one try.
        func enter() async throws {
            try await run.hostPermits?.acquire(for: request.url)
            do {
                try await run.permits.acquire()
            } catch {
                run.hostPermits?.release(for: request.url)
                throw error
            }
            isUnderWay = true
        }

        func leave() {
            isUnderWay = false
            run.permits.release()
            run.hostPermits?.release(for: request.url)
            // There is to be no other try, so there must be no wait for it.
            if run.hasEnded { task?.cancel() }
        }
    }

    private func perform(_ member: Member) async {
        let start = client.loop.clock.now
        var attempts = 0
        let response: Result<HTTPClientResponse, any Error>
        do {
            let answer = try await client.execute(member.request, policy, upTo: maximum, batch: member, &attempts)
            response = .success(answer)
        } catch {
            response = .failure(error)
        }
        members[member.index] = nil
        finish(
            HTTPBatchResult(
                index: member.index,
                request: member.request,
                response: response,
                attempts: attempts,
                duration: start.duration(to: client.loop.clock.now)
            )
        )
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

    // MARK: The end

    /// Lets nothing more begin: see ``HTTPBatch/stop()``.
    func stop() {
        client.loop.preconditionOnLoop()
        hasEnded = true
        feeder?.cancel()
        for member in members.values where !member.isUnderWay { member.task?.cancel() }
        room.wake(.ready)
    }

    /// Ends what is under way too; nobody reads its results.
    func end() {
        client.loop.execute { [self] in
            stop()
            for member in members.values { member.task?.cancel() }
        }
    }
}
