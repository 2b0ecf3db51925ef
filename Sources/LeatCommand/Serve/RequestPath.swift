import LeatHTTP

/// The path of a request as a path below the served directory.
enum RequestPath {
    /// Decodes the target's path, without its query. Nil for what no file is named by: a target that is not a path, a bad
    /// percent-encoding, a NUL, an encoded slash, or a step up. The result is relative, and "." for the directory itself. It is
    /// bytes, as file names are: they need not be UTF-8.
    static func file(for target: String) -> [UInt8]? {
        let path = target.utf8.prefix { $0 != UInt8(ascii: "?") }
        guard path.first == UInt8(ascii: "/"), let decoded = percentDecoded(Array(path)) else { return nil }
        let steps = decoded.split(separator: UInt8(ascii: "/"))
        guard !steps.contains(where: { $0.elementsEqual("..".utf8) }) else { return nil }
        return steps.isEmpty ? [UInt8(ascii: ".")] : Array(steps.joined(separator: [UInt8(ascii: "/")]))
    }

    private static func percentDecoded(_ bytes: [UInt8]) -> [UInt8]? {
        var output: [UInt8] = []
        var index = 0
        while index < bytes.count {
            guard bytes[index] == UInt8(ascii: "%") else {
                output.append(bytes[index])
                index += 1
                continue
            }
            guard index + 2 < bytes.count, let high = ASCII.hexValue(bytes[index + 1]),
                let low = ASCII.hexValue(bytes[index + 2])
            else { return nil }
            let byte = high << 4 | low
            if byte == 0 || byte == UInt8(ascii: "/") { return nil }
            output.append(byte)
            index += 3
        }
        return output
    }
}
