import Glibc

/// What the kernel tells about a process in /proc/PID/status.
struct ProcessStatus {
    var threads: Int
    /// Resident memory now and at its highest.
    var residentKiB: Int
    var peakKiB: Int

    /// Nil if there is no such process. `pid` nil is this one.
    init?(of pid: pid_t? = nil) {
        let owner = pid.map { "\($0)" } ?? "self"
        guard let text = readSmallFile("/proc/\(owner)/status") else { return nil }
        threads = Self.number("Threads:", in: text)
        residentKiB = Self.number("VmRSS:", in: text)
        peakKiB = Self.number("VmHWM:", in: text)
    }

    private static func number(_ name: String, in text: String) -> Int {
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            return Int(line.split(whereSeparator: { $0 == " " || $0 == "\t" })[1]) ?? 0
        }
        return 0
    }
}

extension ProcessStatus {
    /// Resident memory of a process, by looking at its pages: what `status` says may be off by hundreds of kilobytes. Nil if
    /// there is no such process.
    static func exactResidentKiB(of pid: pid_t) -> Int? {
        guard let text = readSmallFile("/proc/\(pid)/smaps_rollup"), !text.isEmpty else {
            return ProcessStatus(of: pid)?.residentKiB
        }
        return number("Rss:", in: text)
    }
}

/// The contents of a file of at most 64 KiB, as the files of /proc are; nil if it cannot be read.
func readSmallFile(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var contents: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while contents.count < 65536 {
        let count = read(descriptor, &chunk, chunk.count)
        guard count > 0 else { break }
        contents += chunk[..<count]
    }
    return String(decoding: contents, as: UTF8.self)
}
