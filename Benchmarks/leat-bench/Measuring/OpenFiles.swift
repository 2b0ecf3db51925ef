import Glibc

/// The limit of open files.
enum OpenFiles {
    /// Of `wanted` connections, as many as may be open: both sides need a descriptor for each, and a few to live on. Raises the
    /// limit, which children inherit.
    static func affordable(_ wanted: Int) throws -> Int {
        let spare = 64
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = min(limit.rlim_max, max(limit.rlim_cur, rlim_t(wanted + spare)))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let room = Int(clamping: limit.rlim_cur) - spare
        guard room > 0 else { throw ChildProcess.Failure("the limit of open files (ulimit -n) is too low") }
        return min(wanted, room)
    }
}
