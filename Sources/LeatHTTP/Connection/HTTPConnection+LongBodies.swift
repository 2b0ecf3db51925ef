import CLinux
import LeatLoop
import LeatNet
import LeatReactor

/// A long body that is collected is received directly into the array that the caller gets, without the scratch buffer. This saves
/// a copy of each byte, and a system call for each 64 KiB.
extension HTTPConnection {
    /// Octets left of a body with a length; 0 if none is being received. It reads single properties: a call would copy the
    /// parser.
    var bodyRest: Int { parser.phase == .lengthBody ? parser.remaining : 0 }

    /// Whether enough is left of a body with a length to receive it directly into its array.
    var awaitsLongBody: Bool { bodyRest >= 32768 }

    /// As ``fill(timeout:deadline:)``, but receives the remaining bytes of a body directly into `body` and appends them.
    func fill(_ body: inout [UInt8], timeout: Int64, deadline: LoopInstant) async throws -> Bool {
        try await takeTurn(until: deadline)
        while true {
            if try tryFill(&body) { return !sawEnd }
            try await waitForInput(timeout: timeout, deadline: deadline)
            if !loop.spendBudget() { await Task.yield() }
        }
    }
}

extension [UInt8] {
    /// Makes room for a body of `length` octets, of which `received` are here. A peer may announce more than it ever sends, so
    /// there is never room for more than 32 times what has come, or 64 KiB.
    mutating func reserveBody(_ length: Int, received: Int) {
        reserveCapacity(Swift.min(length, Swift.max(65536, 32 * received)))
    }

    /// Has `receive` write up to `rest` octets behind the last one. Appends as many as `receive` returns, and none if that is
    /// negative. Returns the same.
    mutating func appendInPlace(upTo rest: Int, _ receive: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        _ = heapIsPrepared
        if capacity - count < Swift.min(rest, 32768) { reserveBody(count + rest, received: count) }
        var result = 0
        let size = Swift.min(rest, capacity - count)
        append(addingCapacity: size) { free in
            free.withUnsafeMutableBufferPointer { free, count in
                // The array can have more room than was asked for.
                result = receive(UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(free)[..<size]))
                count = Swift.max(0, result)
            }
        }
        return result
    }
}

/// Done once, before the first long body.
private let heapIsPrepared: Void = clinux_keep_freed_memory()
