import Glibc
import Leat
import LeatLoop
import LeatReactor
import Testing

@testable import LeatHTTP
@testable import LeatNet

/// A peer that asks for new keys (RFC 8446 §4.6.3) has to be answered, by what is otherwise a read.
@Suite(.timeLimit(.minutes(2)), .enabled(if: TLSFixtures.isAvailable, "the openssl command is not installed"))
struct TLSKeyUpdateTests {
    /// Both ends of a connection whose handshake is over. What one sends fills the kernel's buffer soon.
    private final class Pair {
        let sockets: [Socket]
        let channels: [TLSChannel]
        var server: TLSChannel { channels[0] }
        var client: TLSChannel { channels[1] }

        init() async throws {
            var pair: [Int32] = [0, 0]
            _ = socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0, &pair)
            sockets = try pair.map { try Socket(descriptor: $0, loop: .current, isReady: true) }
            for socket in sockets { socket.setOption(SOL_SOCKET, SO_SNDBUF, 4096) }
            let files = TLSFixtures.shared
            channels = [
                try TLSChannel(try TLSContext(files.server(), role: .server), socket: sockets[0]),
                try TLSChannel(
                    try TLSContext(files.client, role: .client),
                    socket: sockets[1],
                    serverName: "localhost"
                ),
            ]
            var done: Set<Int> = []
            for _ in 0..<1000 where done.count < 2 {
                for (index, channel) in channels.enumerated() {
                    switch channel.continueHandshake() {
                    case .done: done.insert(index)
                    case .waiting: break
                    case .failed(let error): throw error
                    }
                }
                await turns(1)
            }
            #expect(done.count == 2)
        }

        deinit { for socket in sockets { socket.close() } }

        /// The client asks for new keys, if the kernel takes that now.
        func askForKeys() -> Bool {
            typealias Update = @convention(c) (OpaquePointer, Int32) -> Int32
            let library = dlopen("libssl.so.3", RTLD_NOW)
            let update = unsafeBitCast(dlsym(library, "SSL_key_update"), to: Update.self)
            let connection = Mirror(reflecting: client).descendant("connection") as! OpaquePointer
            // SSL_KEY_UPDATE_REQUESTED
            guard update(connection, 1) == 1, case .done = client.continueHandshake() else { return false }
            return true
        }
    }

    /// Whoever waits for a socket that is said to be ready does not wait at all: the loop stands still.
    @Test func aReadThatHasToWaitIsNotToldToTryAgainAtOnce() throws {
        try runBoundedLoop {
            let pair = try await Pair()
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 1)
            defer { room.deallocate() }
            var waits = true
            for _ in 0..<1000 where waits {
                let isSent = pair.askForKeys()
                await turns(1)
                let result = pair.server.tryReceive(into: room)
                #expect(result == -Int(EAGAIN))
                waits = pair.sockets[0].readableNow == nil
                if !isSent { break }
            }
            #expect(waits, "SSL_read wants to write, and its caller waits for the socket to be readable, which it is")
        }
    }

    /// Part of a record is sent, and the rest waits for the client.
    @Test(arguments: [1, 2, 3])
    func newKeysMayBeAskedForWhileOutputIsBlocked(times: Int) throws {
        try runBoundedLoop {
            let pair = try await Pair()
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 1)
            defer { room.deallocate() }
            let output = [UInt8](repeating: 0x61, count: 100_000)
            var (sent, received, requests) = (0, 0, 0)
            func send() -> Int {
                let result = output[sent...].withUnsafeBytes { $0.isEmpty ? 0 : pair.server.trySend($0) }
                sent += max(0, result)
                return result
            }
            while send() > 0 {}
            #expect(sent < output.count)
            for _ in 0..<times {
                #expect(pair.askForKeys())
                #expect([UInt8(0x62)].withUnsafeBytes { pair.client.trySend($0) } == 1)
            }
            var failed = 0
            for _ in 0..<1000 where failed == 0 && (received < output.count || requests < times) {
                await turns(1)
                let request = pair.server.tryReceive(into: room)
                if request > 0 { requests += request }
                for result in [request, send()] where result < 0 && result != -Int(EAGAIN) { failed = result }
                while case let count = pair.client.tryReceive(into: room), count > 0 { received += count }
            }
            #expect(failed == 0, "\(String(describing: pair.server.failure))")
            #expect(received == output.count)
        }
    }
}
