package import CLinux
import Glibc

/// Every system call of the hot path, named in one place.
///
/// Each returns what the kernel returned, or `-errno`. Calls that a signal interrupted are repeated here, so EINTR is
/// nobody else's business. Calls are counted per thread; debug builds ask the thread's ``FaultPlan`` first.
package enum SystemCalls {
    /// What the calling thread has done so far.
    package static var counts: clinux_call_counts { clinux_calls().pointee }

    @inline(__always)
    private static func perform(
        _ call: FaultPlan.Call,
        _ counter: WritableKeyPath<clinux_call_counts, UInt64>,
        _ body: () -> Int
    ) -> Int {
        while true {
            clinux_calls().pointee[keyPath: counter] &+= 1
            #if DEBUG
                let result: Int
                if let fault = FaultPlan.next(call) { result = -Int(fault) } else { result = negatedErrno(body()) }
            #else
                let result = negatedErrno(body())
            #endif
            if result != -Int(EINTR) { return result }
        }
    }

    @inline(__always)
    private static func negatedErrno(_ result: Int) -> Int {
        result >= 0 ? result : -Int(errno)
    }

    /// recv(2). 0 is the end of the stream.
    package static func receive(_ fd: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        #if DEBUG
            let count = FaultPlan.size(of: .receive, fd, buffer.count)
        #else
            let count = buffer.count
        #endif
        return perform(.receive, \.receive) { recv(fd, buffer.baseAddress, count, 0) }
    }

    /// send(2) with MSG_NOSIGNAL: a vanished peer is an error here, not a signal that ends the process.
    package static func send(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if DEBUG
            let count = FaultPlan.size(of: .send, fd, bytes.count)
        #else
            let count = bytes.count
        #endif
        return perform(.send, \.send) { Glibc.send(fd, bytes.baseAddress, count, Int32(MSG_NOSIGNAL)) }
    }

    /// accept4(2), non-blocking and close-on-exec.
    package static func accept(
        _ fd: Int32,
        _ address: UnsafeMutablePointer<sockaddr>,
        _ length: UnsafeMutablePointer<socklen_t>
    ) -> Int {
        perform(.accept, \.other) { Int(clinux_accept(fd, address, length)) }
    }

    /// socket(2), non-blocking and close-on-exec.
    package static func socket(family: Int32, type: Int32) -> Int {
        perform(.socket, \.other) { Int(Glibc.socket(family, type | CLINUX_SOCKET_FLAGS, 0)) }
    }

    /// connect(2). Not repeated after EINTR: the connection goes on being made, as after EINPROGRESS.
    package static func connect(_ fd: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Int {
        clinux_calls().pointee.other &+= 1
        #if DEBUG
            if let fault = FaultPlan.next(.connect) { return -Int(fault) }
        #endif
        let result = negatedErrno(Int(Glibc.connect(fd, address, length)))
        return result == -Int(EINTR) ? -Int(EINPROGRESS) : result
    }

    /// epoll_wait(2). An interrupted wait returns 0: its caller works the timeout out anew. There may be events all the same.
    package static func poll(
        _ epoll: Int32,
        _ events: UnsafeMutablePointer<epoll_event>,
        _ capacity: Int32,
        _ milliseconds: Int32
    ) -> Int {
        clinux_calls().pointee.poll &+= 1
        #if DEBUG
            if let fault = FaultPlan.next(.poll) { return fault == EINTR ? 0 : -Int(fault) }
        #endif
        let result = negatedErrno(Int(epoll_wait(epoll, events, capacity, milliseconds)))
        return result == -Int(EINTR) ? 0 : result
    }

    /// epoll_ctl(2).
    package static func control(_ epoll: Int32, _ operation: Int32, _ fd: Int32, _ event: epoll_event) -> Int {
        var event = event
        return perform(.control, \.other) { Int(epoll_ctl(epoll, operation, fd, &event)) }
    }

    /// read(2) of the 8 bytes of an eventfd or a timerfd.
    package static func readCounter(_ fd: Int32) -> Int {
        var value: UInt64 = 0
        return perform(.counter, \.other) { read(fd, &value, 8) }
    }

    /// write(2) of 1 to an eventfd.
    package static func addOne(_ fd: Int32) -> Int {
        var one: UInt64 = 1
        return perform(.counter, \.other) { write(fd, &one, 8) }
    }

    /// timerfd_settime(2) to an absolute instant of CLOCK_MONOTONIC, at least 1 ns so that it never disarms.
    package static func setTimer(_ fd: Int32, to instant: LoopInstant) -> Int {
        let nanoseconds = max(instant.nanoseconds, 1)
        var setting = itimerspec()
        setting.it_value.tv_sec = Int(nanoseconds / 1_000_000_000)
        setting.it_value.tv_nsec = Int(nanoseconds % 1_000_000_000)
        return perform(.counter, \.other) { Int(timerfd_settime(fd, CLINUX_TIMER_ABSTIME, &setting, nil)) }
    }

    /// close(2). Never repeated: on Linux the descriptor is gone whatever it returns.
    package static func close(_ fd: Int32) {
        clinux_calls().pointee.other &+= 1
        _ = Glibc.close(fd)
    }
}
