import Glibc
import LeatReactor

/// What OpenSSL reads from and writes to: the socket itself, without a buffer in between. OpenSSL calls it a BIO method
/// (BIO_meth_new(3)). It is made once, for all connections.
///
/// The calls never wait. If a read finds nothing, OpenSSL is told to try again later. A write takes everything: the
/// ``TLSChannel`` buffers what the kernel does not take, and notes what the kernel has said.
enum SocketChannel {
    /// Makes a channel for a connection, which must outlive it. Returns nil if OpenSSL has no memory left.
    static func make(for connection: TLSChannel, _ openSSL: OpenSSL) -> OpaquePointer? {
        guard let method, let channel = openSSL.newChannel(method) else { return nil }
        openSSL.setChannelData(channel, Unmanaged.passUnretained(connection).toOpaque())
        openSSL.setChannelReady(channel, 1)
        return channel
    }

    nonisolated(unsafe) private static let method: OpaquePointer? = {
        // BIO_TYPE_SOURCE_SINK
        guard case .success(let openSSL) = OpenSSL.shared, let method = openSSL.newMethod(0x0400, "leat socket") else {
            return nil
        }
        _ = openSSL.setMethodRead(method) { channel, bytes, count in SocketChannel.read(channel, bytes, count) }
        _ = openSSL.setMethodWrite(method) { channel, bytes, count in SocketChannel.write(channel, bytes, count) }
        // BIO_CTRL_FLUSH: there is never anything to flush. Nothing else is supported.
        _ = openSSL.setMethodControl(method) { _, command, _, _ in command == 11 ? 1 : 0 }
        return method
    }()

    // BIO_FLAGS_READ with _SHOULD_RETRY, and BIO_FLAGS_RWS with it: what OpenSSL's macros set and clear.
    private static var retryRead: Int32 { 0x01 | 0x08 }
    private static var anyRetry: Int32 { 0x0F }

    private static func read(_ channel: OpaquePointer?, _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int32) -> Int32
    {
        transfer(channel) { $0.receive(UnsafeMutableRawBufferPointer(start: bytes, count: Int(count))) }
    }

    private static func write(_ channel: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int32) -> Int32 {
        transfer(channel) { $0.send(UnsafeRawBufferPointer(start: bytes, count: Int(count))) }
    }

    private static func transfer(_ channel: OpaquePointer?, _ call: (TLSChannel) -> Int) -> Int32 {
        guard case .success(let openSSL) = OpenSSL.shared, let data = openSSL.channelData(channel) else { return -1 }
        openSSL.clearChannelFlags(channel, anyRetry)
        let result = Unmanaged<TLSChannel>.fromOpaque(data)._withUnsafeGuaranteedRef(call)
        if result == -Int(EAGAIN) { openSSL.setChannelFlags(channel, retryRead) }
        return Int32(clamping: max(result, -1))
    }
}
