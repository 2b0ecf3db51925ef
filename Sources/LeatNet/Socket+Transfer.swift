import Glibc
package import LeatLoop
package import LeatReactor

extension Socket {
    /// Connects. Throws ``NetworkError``, `.timedOut` at the deadline, or `CancellationError`; the socket is closed then.
    package static func connect(
        to address: SocketAddress,
        loop: EventLoop,
        until deadline: LoopInstant = .distantFuture
    ) async throws -> Socket {
        let operation = "connect to \(address)"
        do {
            if address.isUnix { return try await connectUnix(to: address, operation, loop: loop, until: deadline) }
            let socket = try Socket.make(family: address.family, loop: loop)
            socket.disableNagle()
            let result = address.withSockaddr { SystemCalls.connect(socket.descriptor, $0, $1) }
            do {
                try await socket.finishConnecting(result, operation, until: deadline)
            } catch {
                socket.close()
                throw error
            }
            return socket
        } catch let error as SystemError {
            throw NetworkError(code: error.code, operation: operation)
        }
    }

    private func finishConnecting(_ result: Int, _ operation: String, until deadline: LoopInstant) async throws {
        guard result < 0 else { return }
        guard result == -Int(EINPROGRESS) else { throw NetworkError(code: Int32(-result), operation: operation) }
        try await waitWritable(.connect(descriptor: descriptor), until: deadline, cancellably: true).check(operation)
        let code = takeError()
        if code != 0 { throw NetworkError(code: code, operation: operation) }
    }

    /// Sends all of `bytes`, waiting while the peer does not take them. Adds to `sent` what the kernel has taken.
    /// Throws ``NetworkError``, `.timedOut` at the deadline, or `CancellationError`.
    package func sendAll(
        _ bytes: UnsafeRawBufferPointer,
        sent: inout Int,
        until deadline: LoopInstant = .distantFuture,
        cancellably: Bool = false
    ) async throws {
        var rest = bytes
        while !rest.isEmpty {
            if isClosed { throw NetworkError.closed("write") }
            let result = trySend(rest)
            if result > 0 {
                sent += result
                rest = UnsafeRawBufferPointer(rebasing: rest[result...])
                if !loop.spendBudget() { await Task.yield() }
            } else if result == -Int(EAGAIN) {
                try await waitWritable(until: deadline, cancellably: cancellably).check("write")
            } else {
                throw NetworkError(code: Int32(-result), operation: "write")
            }
        }
    }

    /// Receives what there is, waiting until there is something. Returns 0 at the end of the stream.
    /// Throws ``NetworkError``, `.timedOut` at the deadline, or `CancellationError`.
    package func receive(
        into buffer: UnsafeMutableRawBufferPointer,
        until deadline: LoopInstant = .distantFuture,
        cancellably: Bool = false
    ) async throws -> Int {
        while true {
            if isClosed { throw NetworkError.closed("read") }
            let result = tryReceive(into: buffer)
            if result >= 0 {
                if !loop.spendBudget() { await Task.yield() }
                return result
            }
            guard result == -Int(EAGAIN) else { throw NetworkError(code: Int32(-result), operation: "read") }
            try await waitReadable(until: deadline, cancellably: cancellably).check("read")
        }
    }
}
