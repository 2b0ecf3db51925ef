import Glibc

/// Bytes that Python computes: a second implementation of what is tested.
enum PythonBytes {
    struct Failure: Error {}

    /// The value of an expression of type `bytes`, with `gzip` and `zlib` at hand.
    static func evaluate(_ expression: String) throws -> [UInt8] {
        let program = "import gzip, zlib, sys; sys.stdout.buffer.write(\(expression))"
        guard let pipe = popen("timeout 20 python3 -c \"\(program)\"", "r") else { throw Failure() }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while case let count = fread(&piece, 1, piece.count, pipe), count > 0 { bytes += piece[..<count] }
        guard pclose(pipe) == 0 else { throw Failure() }
        return bytes
    }
}
