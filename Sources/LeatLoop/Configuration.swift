import Glibc
public import LeatReactor

extension EventLoop {
    /// How a loop behaves. Every limit has a default.
    public struct Configuration: Sendable {
        /// The most jobs that run between two polls. Default 256.
        public var maximumJobsPerTurn = 256
        /// The most operations on sockets that one job does without waiting before it yields. A request that a server
        /// answers is one operation. Default 128.
        public var maximumOperationsPerJob = 128
        /// The most such operations that all jobs together do between two polls. Default 1,024.
        public var maximumOperationsPerTurn = 1_024
        /// Threads for ``EventLoop/offload(_:)``, started when first needed. Default 4.
        public var offloadThreads = 4
        /// Where time comes from. Tests supply a ``ManualClock``.
        public var clock = ReactorClock.monotonic
        /// Whether jobs that hold the loop, and tasks that are left waiting at its end, are reported on standard error.
        /// Default: whether the environment has `LEAT_DEBUG=1`.
        public var debug = getenv("LEAT_DEBUG").map { String(cString: $0) == "1" } ?? false
        /// What counts as holding the loop, in debug mode. Default 100 ms, as in asyncio.
        public var slowJobThreshold = Duration.milliseconds(100)

        public init() {}
    }

    /// What a loop has done; see ``EventLoop/statistics``.
    public struct Statistics: Sendable, Hashable {
        /// Times around the loop, each with one poll.
        public var turns: UInt64
        /// Jobs run.
        public var jobs: UInt64
        /// Jobs that came from another thread.
        public var remoteJobs: UInt64
        /// Events that arrived for a descriptor after it was closed, and were dropped.
        public var staleEvents: UInt64
        /// Times the timerfd was set.
        public var alarmSettings: UInt64
        /// Timers that are set now.
        public var timers: Int
        /// Descriptors that are watched now, without the loop's own two.
        public var descriptors: Int
        /// Tasks that wait now.
        public var waits: Int
    }
}
