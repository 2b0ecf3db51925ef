/// The path of a request as a path below the served directory.
enum RequestPath {
    /// Decodes the target's path, without its query. Nil for what no file is named by: a target that is not a path, a bad
    /// percent-encoding, a NUL, an encoded slash, or a step up. The result is relative, and "." for the directory itself.
    static func file(for target: String) -> String? {
        let path = target.utf8.prefix { $0 != UInt8(ascii: "?") }
        guard path.first == UInt8(ascii: "/"), let decoded = percentDecoded(Array(path)) else { return nil }
        let steps = decoded.split(separator: UInt8(ascii: "/"))
        guard !steps.contains(where: { $0.elementsEqual("..".utf8) }) else { return nil }
        guard let text = String(validating: steps.joined(separator: [UInt8(ascii: "/")]), as: UTF8.self) else {
            return nil
        }
        return text.isEmpty ? "." : text
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
            guard index + 2 < bytes.count, let high = hexValue(bytes[index + 1]), let low = hexValue(bytes[index + 2])
            else { return nil }
            let byte = high << 4 | low
            if byte == 0 || byte == UInt8(ascii: "/") { return nil }
            output.append(byte)
            index += 3
        }
        return output
    }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    /// A name as it stands in a URL: everything but the unreserved characters encoded (RFC 3986 §2.3).
    static func percentEncoded(_ name: String) -> String {
        var output = ""
        for byte in name.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
                output.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                output += byte < 16 ? "%0" : "%"
                output += String(byte, radix: 16, uppercase: true)
            }
        }
        return output
    }
}
