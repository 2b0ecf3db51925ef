import Glibc

/// A system call that failed: which one, and with what `errno`.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The value of `errno` (errno(3)).
    public let code: Int32
    /// What was attempted, such as `connect` or `bind 127.0.0.1:80`.
    public let operation: String

    public init(code: Int32, operation: String) {
        self.code = code
        self.operation = operation
    }

    /// For example `connect: Connection refused (111)`.
    public var description: String {
        "\(operation): \(String(cString: strerror(code))) (\(code))"
    }
}
