import CLinux
import Glibc
import Leat
import LeatLoop
import LeatReactor

/// SIGINT and SIGTERM as readiness of a descriptor (signalfd(2)): they arrive between two jobs like anything else.
///
/// Made before the process has a second thread, so that every thread inherits the mask that keeps the signals for it.
final class TerminationSignals: PollSource {
    private let act: () -> Void
    private let onlyOnce: Bool

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
        loop.reactor.poller.remove(self)
    }

    /// If only the first counts, a second finds the process without patience: the default action is restored.
    override func becameReady(_ readiness: Readiness) {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        var information = signalfd_siginfo()
        _ = read(descriptor, &information, MemoryLayout<signalfd_siginfo>.size)
        if onlyOnce { sigprocmask(SIG_UNBLOCK, &signals, nil) }
        act()
    }
}
