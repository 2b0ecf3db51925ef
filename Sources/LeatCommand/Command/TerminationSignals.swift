import CLinux
import Glibc
import Leat
import LeatLoop
import LeatReactor

/// SIGINT and SIGTERM as readiness of a descriptor (signalfd(2)): they arrive between two jobs like anything else.
///
/// Made before the process has a second thread, so that every thread inherits the mask that keeps the signals for it.
final class TerminationSignals: PollSource, @unchecked Sendable {
    private let act: () -> Void
    private let onlyOnce: Bool
    private var restoration: ScheduledWork?

    /// For so long after the first, signals are taken for repetitions of it: timeout(1) sends one to the process, and one to
    /// its group.
    private static let repetition = Duration.seconds(1)

    /// Calls `act` at the first signal, and unless `onlyOnce` at those that follow.
    init(onlyOnce: Bool = true, _ act: @escaping () -> Void) throws {
        self.act = act
        self.onlyOnce = onlyOnce
        let descriptor = clinux_signal_descriptor(SIGINT, SIGTERM)
        guard descriptor >= 0 else { throw SystemError(code: errno, operation: "signalfd") }
        super.init(descriptor: descriptor)
    }

    deinit { close(descriptor) }

    func watch(on loop: EventLoop) throws {
        try loop.reactor.poller.add(self)
    }

    func ignore(on loop: EventLoop) {
        restoration?.cancel()
        loop.reactor.poller.remove(self)
    }

    /// If only the first counts, a later one finds the process without patience: the default action is restored, which ends
    /// it whatever the loop is doing.
    override func becameReady(_ readiness: Readiness) {
        takeSignals()
        guard onlyOnce else { return act() }
        guard restoration == nil else { return }
        restoration = EventLoop.current.schedule(after: Self.repetition) { self.restoreDefaults() }
        act()
    }

    private func restoreDefaults() {
        // Those that are still pending would end the process the moment they are let through.
        takeSignals()
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        sigprocmask(SIG_UNBLOCK, &signals, nil)
    }

    private func takeSignals() {
        var information = signalfd_siginfo()
        while read(descriptor, &information, MemoryLayout<signalfd_siginfo>.size) > 0 {}
    }
}
