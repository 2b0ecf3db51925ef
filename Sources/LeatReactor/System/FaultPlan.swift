import CLinux

/// Failures to inject into the system calls of one thread, for tests of debug builds.
///
/// A plan lists, per call, the `errno` values of its next invocations (0 lets one through). It applies to the thread that
/// installed it only, so tests that run side by side do not disturb each other. Release builds contain no trace of it.
package final class FaultPlan {
    package enum Call: Hashable {
        case receive, send, accept, socket, connect, control, counter
    }

    private var pending: [Call: [Int32]] = [:]
    /// How many failures were delivered.
    package private(set) var delivered = 0

    package init(_ faults: [Call: [Int32]]) {
        pending = faults.mapValues { $0.reversed() }
    }

    /// Runs `body` with this plan in force on the calling thread.
    package func apply<T>(_ body: () throws -> T) rethrows -> T {
        let previous = clinux_current_faults()
        clinux_set_current_faults(Unmanaged.passUnretained(self).toOpaque())
        defer { clinux_set_current_faults(previous) }
        return try withExtendedLifetime(self, body)
    }

    static func next(_ call: Call) -> Int32? {
        guard let pointer = clinux_current_faults() else { return nil }
        return Unmanaged<FaultPlan>.fromOpaque(pointer).takeUnretainedValue().take(call)
    }

    private func take(_ call: Call) -> Int32? {
        guard let fault = pending[call]?.popLast(), fault != 0 else { return nil }
        delivered += 1
        return fault
    }
}
