import CLinux
import Glibc
import LeatReactor

private final class Connection: PollSource {
    let name: String
    var onEvent: () -> Void = {}

    init(_ name: String, _ descriptor: Int32) {
        self.name = name
        super.init(descriptor: descriptor)
    }

    override func becameReady(_ readiness: Readiness) {
        guard readiness.contains(.readable) else { return }
        print("  \(name) is told that it is readable")
        onEvent()
    }
}

func socketPair() -> (near: Int32, far: Int32) {
    var ends: [Int32] = [0, 0]
    socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | CLINUX_SOCKET_FLAGS, 0, &ends)
    return (ends[0], ends[1])
}

/// Chapter "Readiness and stale events": one event closes the descriptor that a later event of the same batch is about.
func readiness() throws {
    let poller = try Poller()
    let (a, b, replacement) = (socketPair(), socketPair(), socketPair())
    let first = Connection("A", a.near)
    let second = Connection("B", b.near)
    let third = Connection("C", b.near)
    for source in [first, second] { try poller.add(source) }
    poller.poll(milliseconds: 0)

    first.onEvent = {
        print("  … and closes B. C gets B's descriptor number, as the kernel would give it")
        poller.remove(second)
        dup2(replacement.near, b.near)
        try? poller.add(third)
    }
    for far in [a.far, b.far] { _ = write(far, "x", 1) }
    print("poll: 2 events wait in the kernel")
    poller.poll(milliseconds: 0)
    print("stale events dropped: \(poller.staleEvents)")

    for source in [first, third] { poller.remove(source) }
    for pair in [a, b, replacement] {
        close(pair.near)
        close(pair.far)
    }
}
