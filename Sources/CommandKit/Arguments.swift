import Glibc

/// A command line that cannot be acted on; the message says what to do about it.
package struct UsageError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// The words of a command line, taken one after the other: `--name value`, `--name=value`, `--flag`, and operands. After
/// `--` everything is an operand.
package struct Arguments {
    package enum Word: Equatable {
        case option(String)
        case operand(String)
    }

    private var words: ArraySlice<String>
    /// The value of an option written with `=`.
    private var attached: String?
    private var onlyOperands = false

    package init(_ words: some Sequence<String>) {
        self.words = ArraySlice(Array(words))
    }

    /// The next word. Throws if the one before was a flag that had been given a value.
    package mutating func next() throws(UsageError) -> Word? {
        if let attached { throw UsageError("the value '\(attached)' belongs to an option that takes none") }
        guard let word = words.popFirst() else { return nil }
        if onlyOperands || word == "-" || !word.hasPrefix("-") { return .operand(word) }
        if word == "--" {
            onlyOperands = true
            return try next()
        }
        guard word.hasPrefix("--"), let equals = word.firstIndex(of: "=") else { return .option(word) }
        attached = String(word[word.index(after: equals)...])
        return .option(String(word[..<equals]))
    }

    /// The value of the option just returned.
    package mutating func value(of option: String) throws(UsageError) -> String {
        if let value = attached {
            attached = nil
            return value
        }
        guard let value = words.popFirst() else { throw UsageError("\(option) needs a value") }
        return value
    }

    /// The value of the option just returned, the path of a file that can be read.
    package mutating func readableFile(of option: String) throws(UsageError) -> String {
        let path = try value(of: option)
        guard access(path, R_OK) == 0 else {
            throw UsageError("\(option) \(path): \(String(cString: strerror(errno)))")
        }
        return path
    }

    /// The value of the option just returned, as a whole number in a range.
    package mutating func number(of option: String, in range: ClosedRange<Int>) throws(UsageError) -> Int {
        let text = try value(of: option)
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text), range.contains(number)
        else {
            throw UsageError("\(option) takes a number from \(range.lowerBound) to \(range.upperBound), not '\(text)'")
        }
        return number
    }

    /// The value of the option just returned, as a time: `30`, `1.5`, `500ms`, `2m`, `1h`; without a unit, seconds.
    package mutating func duration(of option: String) throws(UsageError) -> Duration {
        let text = try value(of: option)
        let unit = text.drop { $0.isASCII && ($0.isNumber || $0 == ".") }
        let scale: Double? =
            switch unit {
            case "", "s": 1
            case "ms": 0.001
            case "m": 60
            case "h": 3600
            default: nil
            }
        guard let scale, let number = Double(text.dropLast(unit.count)), number > 0, number * scale <= 1e6 else {
            throw UsageError("\(option) takes a time such as 30, 1.5, 500ms or 2m, not '\(text)'")
        }
        return .seconds(number * scale)
    }

    /// The value of the option just returned, as a size: `65536`, `64K`, `10M`, `1G`.
    package mutating func size(of option: String) throws(UsageError) -> Int {
        let text = try value(of: option)
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let shift: Int? =
            switch text.dropFirst(digits.count).uppercased() {
            case "": 0
            case "K", "KB", "KIB": 10
            case "M", "MB", "MIB": 20
            case "G", "GB", "GIB": 30
            default: nil
            }
        guard let shift, let number = Int(digits), number <= Int.max >> shift else {
            throw UsageError("\(option) takes a size such as 65536, 64K or 10M, not '\(text)'")
        }
        return number << shift
    }
}
