/// How much of a message's head, trailers and framing is accepted before the message is refused.
///
/// The limits bound what one peer can make this process hold. They do not bound bodies: those are read piece by piece,
/// and whoever collects one states a limit there. A message at a limit passes; one octet more is refused, on whatever
/// boundaries the octets arrive. Values above 2 GiB count as 2 GiB, negative ones as zero.
public struct HTTPLimits: Sendable, Hashable {
    /// The longest request or status line, in octets without the line end. Default: 16 KiB.
    /// A server answers a longer one with 414.
    public var maximumStartLine = 16 * 1024

    /// The longest line of one header or trailer field, in octets without the line end. Default: 16 KiB.
    /// A server answers a longer one with 431.
    public var maximumFieldLine = 16 * 1024

    /// The largest head, in octets: start line, header fields and all line ends. Default: 64 KiB.
    /// A server answers a larger one with 431.
    public var maximumHead = 64 * 1024

    /// The most header fields, and also the most trailer fields, of a message. Default: 128.
    /// A server answers more with 431.
    public var maximumFieldCount = 128

    /// The largest trailer section after a chunked body, in octets with all line ends. Default: 16 KiB.
    public var maximumTrailerSection = 16 * 1024

    /// The most octets of chunk extensions in one body, all chunks together. Default: 16 KiB.
    /// Extensions carry nothing that this library uses, so a body full of them is an attack (CVE-2023-39326).
    public var maximumChunkExtensions = 16 * 1024

    /// The most interim (1xx) responses before the final one. Default: 16.
    public var maximumInterimResponses = 16

    /// Makes the default limits.
    public init() {}
}
