/// Something that takes arbitrary bytes, with what has to hold for it whatever they are.
///
/// To add one: write it in a file of its own beside this one, list it in ``all``, and put a few small inputs into
/// `Tests/Fuzz/Corpus/` under its name. The script, the tests and continuous integration find it there.
package struct FuzzTarget: Sendable {
    /// The name: of its folder in the corpus, and for `Tests/Fuzz/run`.
    package let name: String

    /// Runs one input. Whatever does not hold is thrown; what traps, or touches foreign memory, ends the process.
    package let check: @Sendable (_ input: [UInt8]) throws -> Void

    /// All of them.
    package static let all: [FuzzTarget] = [.response, .request, .scanner, .chunked, .url, .cookies, .multipart]

    /// The one named so.
    package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// What does not hold.
package struct FuzzFailure: Error, CustomStringConvertible {
    package let description: String
}

/// Throws `message` unless the condition holds.
func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    if !condition { throw FuzzFailure(description: message()) }
}

/// Throws unless both are the same; says in which way they are not.
func require<Value: Equatable>(
    _ value: Value,
    equals expected: Value,
    _ message: @autoclosure () -> String
) throws {
    if value != expected { throw FuzzFailure(description: "\(message()): \(value), not \(expected)") }
}
