import CLinux
import Glibc
import Leat
import LeatLoop
import LeatReactor

/// One end of a connection, as small as it can be: the descriptor, what epoll last said, and where a reader waits.
private final class End: PollSource, @unchecked Sendable {
    let spot: ParkingSpot
    var isReadable = false

    init(_ descriptor: Int32, loop: EventLoop) throws {
        spot = ParkingSpot(loop: loop)
        super.init(descriptor: descriptor)
        try loop.reactor.poller.add(self)
    }

    override func becameReady(_ readiness: Readiness) {
        guard readiness.contains(.readable) else { return }
        print("  epoll: descriptor is readable")
        isReadable = true
        spot.wake(.ready)
    }

    func read() async -> Int {
        var buffer = [UInt8](repeating: 0, count: 1024)
        while true {
            let count = buffer.withUnsafeMutableBytes { SystemCalls.receive(descriptor, into: $0) }
            if count != -Int(EAGAIN) { return count }
            print("  read: EAGAIN, so park")
            isReadable = false
            _ = await spot.park(.read(descriptor: descriptor))
            print("  read: resumed, try again")
        }
    }
}

/// Chapter "From await to epoll and back".
func awaitToEpoll() throws {
    try EventLoop.run {
        let loop = EventLoop.current
        var descriptors: [Int32] = [0, 0]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | CLINUX_SOCKET_FLAGS, 0, &descriptors)
        let (near, far) = (try End(descriptors[0], loop: loop), descriptors[1])
        loop.schedule {
            print("  another job runs meanwhile, and writes 5 bytes")
            _ = write(far, "hello", 5)
        }
        print("await near.read()")
        let count = await near.read()
        print("read \(count) bytes")
        loop.reactor.poller.remove(near)
        for descriptor in descriptors { close(descriptor) }
    }
}
