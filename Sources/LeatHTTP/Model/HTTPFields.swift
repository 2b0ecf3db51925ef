/// The header or trailer fields of a message, in order; a name may occur many times.
///
/// Look-ups by name are linear and compare bytes, which for the few dozen fields of a message beats hashing. A value
/// becomes a `String` when it is asked for, not before: a message of 40 fields of which 3 are read makes 3 strings.
///
/// ```swift
/// var fields: HTTPFields = [.contentType: "text/plain", .accept: "*/*"]
/// fields[.contentType] = "text/html"
/// fields.append(HTTPField(name: .setCookie, value: "a=1"))
/// ```
///
/// Two collections are equal if they hold the same fields in the same order; names are compared without regard to the
/// case of ASCII letters, values byte for byte.
public struct HTTPFields: Sendable {
    /// What they are kept in; nil if that has not been needed. Safe to share between threads, since only a block that nobody
    /// else holds is ever written to: see ``reserve(entries:bytes:)``.
    nonisolated(unsafe) var storage: HTTPFieldStorage?

    /// Makes an empty collection. It owns no memory.
    public init() {}

    /// Makes a collection of `fields`, in their order.
    public init(_ fields: some Sequence<HTTPField>) {
        for field in fields { append(field) }
    }

    /// Whether a field named `name` is present.
    ///
    /// - Complexity: O(number of fields).
    public func contains(_ name: HTTPField.Name) -> Bool {
        firstIndex(of: name) != nil
    }

    /// Adds a field after the others. Fields of the same name stay.
    ///
    /// - Complexity: amortised O(length of the field).
    public mutating func append(_ field: HTTPField) {
        append(name: field.name, value: field.value)
    }

    /// Adds `fields` after the others.
    public mutating func append(contentsOf fields: some Sequence<HTTPField>) {
        for field in fields { append(field) }
    }

    /// Removes every field named `name`.
    ///
    /// - Complexity: O(total length of the fields) if there is one, else O(number of fields).
    public mutating func removeAll(_ name: HTTPField.Name) {
        guard let first = firstIndex(of: name) else { return }
        replaceAll(name, startingAt: first, with: [])
    }

    /// Removes all fields.
    public mutating func removeAll() {
        self = HTTPFields()
    }

    /// The value of the field `name`.
    ///
    /// Reading joins the values of several fields of that name with `", "` (`"; "` for `Cookie`), which RFC 9110 §5.3
    /// allows for every field but `Set-Cookie`: read that one with ``subscript(values:)``. Writing replaces all of them
    /// with one field, in the place of the first; writing nil removes them.
    public subscript(name: HTTPField.Name) -> String? {
        get {
            guard let first = firstIndex(of: name) else { return nil }
            guard let second = firstIndex(of: name, from: first + 1) else { return value(at: first) }
            var joined = value(at: first)
            var next: Int? = second
            while let index = next {
                joined += name == .cookie ? "; " : ", "
                joined += value(at: index)
                next = firstIndex(of: name, from: index + 1)
            }
            return joined
        }
        set {
            guard let newValue else { return removeAll(name) }
            self[values: name] = [newValue]
        }
    }

    /// The values of all fields named `name`, in order; empty if there is none.
    ///
    /// Writing replaces them with one field for each value, in the place of the first.
    public subscript(values name: HTTPField.Name) -> [String] {
        get {
            var values: [String] = []
            var next = firstIndex(of: name)
            while let index = next {
                values.append(value(at: index))
                next = firstIndex(of: name, from: index + 1)
            }
            return values
        }
        set {
            if let first = firstIndex(of: name) {
                replaceAll(name, startingAt: first, with: newValue)
            } else {
                for value in newValue { append(name: name, value: value) }
            }
        }
    }

    /// Rebuilds the collection with `values` in the place of the field at `first`, and without the other fields of the
    /// same name.
    private mutating func replaceAll(_ name: HTTPField.Name, startingAt first: Int, with values: [String]) {
        var rebuilt = HTTPFields()
        rebuilt.reserve(entries: count + values.count, bytes: byteCount)
        for index in indices {
            if index == first {
                for value in values { rebuilt.append(name: name, value: value) }
            } else if index < first || !matches(name, at: index) {
                withRawField(at: index) { rebuilt.appendRaw(name: $0, value: $1) }
            }
        }
        self = rebuilt
    }
}

extension HTTPFields: RandomAccessCollection {
    public var startIndex: Int { 0 }

    public var endIndex: Int { storage.map { Int($0.counts.entryCount) } ?? 0 }

    /// The field at a position. It makes two strings.
    public subscript(position: Int) -> HTTPField {
        HTTPField(name: name(at: position), value: value(at: position))
    }
}

extension HTTPFields: ExpressibleByDictionaryLiteral {
    /// Makes a collection of the listed fields. A name may be listed more than once.
    public init(dictionaryLiteral elements: (HTTPField.Name, String)...) {
        for (name, value) in elements { append(name: name, value: value) }
    }
}

extension HTTPFields: CustomStringConvertible {
    /// The fields as `[name: value, …]`.
    public var description: String {
        "[" + map(\.description).joined(separator: ", ") + "]"
    }
}

extension HTTPFields: Hashable {
    public static func == (left: Self, right: Self) -> Bool {
        guard left.count == right.count else { return false }
        for index in left.indices {
            let isEqual = left.withRawField(at: index) { leftName, leftValue in
                right.withRawField(at: index) { rightName, rightValue in
                    leftName.count == rightName.count
                        && ASCII.equalsIgnoringCase(leftName.baseAddress!, rightName.baseAddress!, leftName.count)
                        && leftValue.elementsEqual(rightValue)
                }
            }
            if !isEqual { return false }
        }
        return true
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(count)
        forEachRawField { name, value in
            hasher.combineLowercased(name)
            hasher.combine(bytes: value)
            hasher.combine(value.count)
        }
    }
}
