import Glibc

/// Wall time and processor time of this process since it was made.
struct Stopwatch {
    private let wall = monotonicNanoseconds()
    private let usage = ProcessorTime.ofThisProcess

    var seconds: Double { Double(monotonicNanoseconds() - wall) / 1e9 }

    var processor: ProcessorTime {
        let now = ProcessorTime.ofThisProcess
        return ProcessorTime(user: now.user - usage.user, system: now.system - usage.system)
    }
}

/// Processor time, in seconds. The kernel samples the split between the two; their sum is exact.
struct ProcessorTime {
    var user: Double
    var system: Double

    static var ofThisProcess: ProcessorTime {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return ProcessorTime(user: seconds(usage.ru_utime), system: seconds(usage.ru_stime))
    }

    /// The processor time that another process has used, in seconds, to the nanosecond; nil if it is gone.
    static func total(of pid: pid_t) -> Double? {
        var clock = clockid_t()
        var time = timespec()
        guard clock_getcpuclockid(pid, &clock) == 0, clock_gettime(clock, &time) == 0 else { return nil }
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func seconds(_ time: timeval) -> Double {
        Double(time.tv_sec) + Double(time.tv_usec) / 1e6
    }
}

/// CLOCK_MONOTONIC.
func monotonicNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
