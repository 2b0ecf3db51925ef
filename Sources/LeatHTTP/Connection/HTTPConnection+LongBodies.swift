import CLinux
import LeatLoop
import LeatNet
import LeatReactor

/// Long bodies that are collected are received past the scratch buffer, into the array that the caller gets. This saves a copy
/// of each byte, and a system call for each 64 KiB.
extension HTTPConnection {
    /// Octets left of a body with a length; 0 if none is being received. Not asked of the parser, which would be copied.
    var bodyRest: Int { parser.phase == .lengthBody ? parser.remaining : 0 }

    /// Whether so much is left of a body with a length that it should be received where it is to lie.
    var awaitsLongBody: Bool { bodyRest >= 32768 }

    /// As ``fill(timeout:deadline:)``, but receives the body, of which more is to come, behind what is in `body`.
    func fill(_ body: inout [UInt8], timeout: Int64, deadline: LoopInstant) async throws -> Bool {
        try await takeTurn(until: deadline)
        while true {
            if try tryFill(&body) { return !sawEnd }
            try await waitForInput(timeout: timeout, deadline: deadline)
        }
    }
}

extension [UInt8] {
    /// Makes room for a body of so many octets, of which so many are here. What a peer announces is no reason to reserve as much:
    /// there is room for 32 times what has come, or 64 KiB.
    mutating func reserveBody(_ length: Int, received: Int) {
        reserveCapacity(Swift.min(length, Swift.max(65536, 32 * received)))
    }

    /// Has `receive` write up to `rest` octets behind the last one, and appends as many as it says; none if it says less than
    /// zero. Returns what it says.
    mutating func appendInPlace(upTo rest: Int, _ receive: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        _ = heapIsPrepared
        if capacity - count < Swift.min(rest, 32768) { reserveBody(count + rest, received: count) }
        var result = 0
        let size = Swift.min(rest, capacity - count)
        append(addingCapacity: size) { free in
            free.withUnsafeMutableBufferPointer { free, count in
                // The room can be larger than was asked for.
                result = receive(UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(free)[..<size]))
                count = Swift.max(0, result)
            }
        }
        return result
    }
}

/// Done once, before the first long body.
private let heapIsPrepared: Void = clinux_keep_freed_memory()
