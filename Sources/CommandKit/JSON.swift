/// A JSON value (RFC 8259). A number keeps its text, so an identifier comes out as it went in.
package enum JSON: Equatable {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSON])
    /// In the order written. A name that occurs twice is refused by the parser.
    case object([(name: String, value: JSON)])

    package static func == (left: JSON, right: JSON) -> Bool { left.text == right.text }

    package static func integer(_ value: Int) -> JSON { .number("\(value)") }

    /// The value of a member; nil if this is no object or has no such member.
    package subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    package var string: String? {
        if case .string(let string) = self { string } else { nil }
    }

    /// The value on one line, without white space.
    package var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The UTF-8 of ``text``.
    package var bytes: [UInt8] {
        var output: [UInt8] = []
        write(to: &output)
        return output
    }

    /// The value on many lines, indented by two spaces a level, for people to read.
    package var indentedText: String {
        var output: [UInt8] = []
        write(to: &output, indentation: 0)
        return String(decoding: output, as: UTF8.self)
    }

    /// Writes the value on one line, or with an `indentation` on several lines, indented by that many spaces.
    private func write(to output: inout [UInt8], indentation: Int? = nil) {
        switch self {
        case .null: output += "null".utf8
        case .bool(let value): output += (value ? "true" : "false").utf8
        case .number(let text): output += text.utf8
        case .string(let text): Self.write(text, to: &output)
        case .array(let elements):
            Self.writeList(elements, between: "[", "]", to: &output, indentation) { element, output, indentation in
                element.write(to: &output, indentation: indentation)
            }
        case .object(let members):
            Self.writeList(members, between: "{", "}", to: &output, indentation) { member, output, indentation in
                Self.write(member.name, to: &output)
                output += (indentation == nil ? ":" : ": ").utf8
                member.value.write(to: &output, indentation: indentation)
            }
        }
    }

    private static func writeList<Item>(
        _ items: [Item],
        between start: Unicode.Scalar,
        _ end: Unicode.Scalar,
        to output: inout [UInt8],
        _ indentation: Int?,
        write: (Item, inout [UInt8], Int?) -> Void
    ) {
        let inner = indentation.map { $0 + 2 }
        output.append(UInt8(ascii: start))
        for (index, item) in items.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            breakLine(inner, in: &output)
            write(item, &output, inner)
        }
        if !items.isEmpty { breakLine(indentation, in: &output) }
        output.append(UInt8(ascii: end))
    }

    private static func breakLine(_ indentation: Int?, in output: inout [UInt8]) {
        guard let indentation else { return }
        output.append(0x0A)
        output += repeatElement(UInt8(ascii: " "), count: indentation)
    }

    /// Copies runs of bytes that need no escape, for bodies can be large.
    private static func write(_ text: String, to output: inout [UInt8]) {
        var text = text
        output.append(UInt8(ascii: "\""))
        text.withUTF8 { bytes in
            var start = 0
            for index in bytes.indices where mustEscape(bytes[index]) {
                output += bytes[start..<index]
                output += escape(bytes[index]).utf8
                start = index + 1
            }
            output += bytes[start...]
        }
        output.append(UInt8(ascii: "\""))
    }

    @inline(__always)
    private static func mustEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
    }

    private static func escape(_ byte: UInt8) -> String {
        switch byte {
        case UInt8(ascii: "\""): "\\\""
        case UInt8(ascii: "\\"): "\\\\"
        case 0x0A: "\\n"
        case 0x0D: "\\r"
        case 0x09: "\\t"
        default: (byte < 0x10 ? "\\u000" : "\\u00") + String(byte, radix: 16)
        }
    }
}
