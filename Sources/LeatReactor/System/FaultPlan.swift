import CLinux

/// Failures to inject into the system calls of one thread, for tests of debug builds.
///
/// A plan lists, per call, the `errno` values of its next invocations (0 lets one through), and may say how many bytes each
/// `send` and `receive` transfers at most. It applies to the thread that installed it only, so tests that run side by side
/// do not disturb each other. Release builds contain no trace of it.
package final class FaultPlan {
    package enum Call: Hashable {
        case receive, send, accept, socket, connect, control, counter, poll
    }

    private var pending: [Call: [Int32]] = [:]
    private let sizes: [Call: () -> Int]
    /// Descriptors of which an owner may believe, because of this plan, that the kernel will tell of the next change.
    private var deceived: Set<Int32> = []
    /// How many failures were delivered.
    package private(set) var delivered = 0

    package init(_ faults: [Call: [Int32]], sizes: [Call: () -> Int] = [:]) {
        pending = faults.mapValues { $0.reversed() }
        self.sizes = sizes
    }

    /// Runs `body` with this plan in force on the calling thread.
    package func apply<T>(_ body: () throws -> T) rethrows -> T {
        let previous = clinux_current_faults()
        clinux_set_current_faults(Unmanaged.passUnretained(self).toOpaque())
        defer { clinux_set_current_faults(previous) }
        return try withExtendedLifetime(self, body)
    }

    private static var current: FaultPlan? {
        clinux_current_faults().map { Unmanaged<FaultPlan>.fromOpaque($0).takeUnretainedValue() }
    }

    static func next(_ call: Call) -> Int32? { current?.take(call) }

    /// How many of `count` bytes a transfer is allowed.
    static func size(of call: Call, _ fd: Int32, _ count: Int) -> Int {
        guard let plan = current else { return count }
        plan.deceived.insert(fd)
        return plan.sizes[call].map { min(count, $0()) } ?? count
    }

    /// The descriptors to look at anew: an edge-triggered event does not come again by itself.
    static func takeDeceived() -> Set<Int32> {
        guard let plan = current else { return [] }
        defer { plan.deceived = [] }
        return plan.deceived
    }

    private func take(_ call: Call) -> Int32? {
        guard let fault = pending[call]?.popLast(), fault != 0 else { return nil }
        delivered += 1
        return fault
    }
}
