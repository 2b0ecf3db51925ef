import CFloor
import CLinux
import LeatReactor

/// System calls by kind, counted by whoever made them.
struct SystemCallCounts {
    var send: UInt64
    var receive: UInt64
    var poll: UInt64
    var other: UInt64

    var total: UInt64 { send + receive + poll + other }

    /// What Leat has done on this thread so far.
    static var ofThisThread: SystemCallCounts {
        let counts = SystemCalls.counts
        return SystemCallCounts(send: counts.send, receive: counts.receive, poll: counts.poll, other: counts.other)
    }

    /// What the floor counted.
    init(_ calls: floor_calls) {
        self.init(send: calls.send, receive: calls.receive, poll: calls.poll, other: calls.other)
    }

    init(send: UInt64, receive: UInt64, poll: UInt64, other: UInt64) {
        self.send = send
        self.receive = receive
        self.poll = poll
        self.other = other
    }

    static func - (left: SystemCallCounts, right: SystemCallCounts) -> SystemCallCounts {
        SystemCallCounts(
            send: left.send - right.send,
            receive: left.receive - right.receive,
            poll: left.poll - right.poll,
            other: left.other - right.other
        )
    }
}
