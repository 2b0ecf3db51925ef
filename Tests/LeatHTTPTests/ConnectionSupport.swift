import LeatHTTP
import LeatNet

extension OutputBuffer {
    mutating func append(_ text: String) { append(Array(text.utf8)) }
}

extension HTTPConnection {
    /// Sends what is buffered. Returns whether the kernel took all of it.
    func isFlushed() -> Bool {
        if case .flushed = tryFlush() { true } else { false }
    }
}
