/// The command line cannot be understood. The description says what to do instead.
struct UsageError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// What is left of the command line. Options are taken out one by one, wherever they stand; ``finish()`` complains about
/// the rest.
struct Arguments {
    private var rest: [String]

    init(_ arguments: some Sequence<String>) {
        rest = Array(arguments)
    }

    /// Whether `name` was given.
    mutating func flag(_ name: String) -> Bool {
        guard let index = rest.firstIndex(of: name) else { return false }
        rest.remove(at: index)
        return true
    }

    /// The number after `name`, or `standard` if it was not given.
    mutating func number(_ name: String, default standard: Int, in range: ClosedRange<Int>) throws -> Int {
        guard let index = rest.firstIndex(of: name) else { return standard }
        guard index + 1 < rest.count, let number = Int(rest[index + 1]), range.contains(number) else {
            throw UsageError("\(name) needs a number from \(range.lowerBound) to \(range.upperBound)")
        }
        rest.removeSubrange(index...index + 1)
        return number
    }

    /// The first argument, unless it is an option.
    mutating func verb() -> String? {
        guard let first = rest.first, !first.hasPrefix("-") else { return nil }
        return rest.removeFirst()
    }

    /// The next argument that is no option, or nil. To be asked for after the options that have values.
    mutating func positional() -> String? {
        guard let index = rest.firstIndex(where: { !$0.hasPrefix("-") }) else { return nil }
        return rest.remove(at: index)
    }

    /// Throws if anything is left that nobody asked for.
    func finish() throws {
        guard let first = rest.first else { return }
        throw UsageError("'\(first)' is not understood here")
    }
}
