/// What a descriptor can do without blocking, as epoll reported it.
public struct Readiness: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// A read will not answer "try again": there are bytes, an end of stream or an error to collect.
    public static let readable = Readiness(rawValue: 1)
    /// A write will not answer "try again".
    public static let writable = Readiness(rawValue: 2)
    /// The peer has sent its last byte, or the connection failed.
    public static let hangup = Readiness(rawValue: 4)
}
