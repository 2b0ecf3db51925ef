// Leat has no dependencies, so the adapters are compiled against these: as much of swift-log 1.x and swift-metrics 2.x as the
// adapters use, with the same names and signatures. They print.

/// As in swift-log.
struct Logger: Sendable {
    typealias Metadata = [String: MetadataValue]

    struct Message: ExpressibleByStringInterpolation, CustomStringConvertible {
        let description: String

        init(stringLiteral value: String) { description = value }
    }

    enum MetadataValue: ExpressibleByStringInterpolation, CustomStringConvertible {
        case string(String)

        var description: String {
            switch self {
            case .string(let text): text
            }
        }

        init(stringLiteral value: String) { self = .string(value) }
    }

    let label: String

    init(label: String) { self.label = label }

    /// Not printed: the level is above `trace`.
    func trace(_ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil) {}

    func debug(_ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil) {
        write("debug", message(), metadata())
    }

    func warning(_ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil) {
        write("warning", message(), metadata())
    }

    private func write(_ level: String, _ message: Message, _ metadata: Metadata?) {
        let pairs = (metadata ?? [:]).map { "\($0)=\($1)" }.sorted().joined(separator: " ")
        print("\(level) \(label) \(pairs): \(message)")
    }
}

/// As in swift-metrics, like those below.
final class Counter {
    private let name: String
    private var value: Int64 = 0

    init(label: String, dimensions: [(String, String)] = []) {
        name = label + dimensions.map { "{\($0)=\($1)}" }.joined()
        Registry.add { "\(self.name) \(self.value)" }
    }

    func increment<Value: BinaryInteger>(by amount: Value) { value += Int64(amount) }
    func increment() { increment(by: 1) }
}

final class Timer {
    private let label: String
    private var count = 0

    init(label: String, dimensions: [(String, String)] = []) {
        self.label = label
        Registry.add { "\(label) recorded \(self.count) ×" }
    }

    func recordNanoseconds(_ duration: Int64) { count += 1 }
}

final class Gauge {
    private var value: Int64 = 0

    init(label: String, dimensions: [(String, String)] = []) {
        Registry.add { "\(label) \(self.value)" }
    }

    func record<Value: BinaryInteger>(_ value: Value) { self.value = Int64(value) }
}

/// What the instruments say, in the order in which they were made; swift-metrics has a factory here, for a system of metrics.
enum Registry {
    nonisolated(unsafe) private static var instruments: [() -> String] = []

    static func add(_ instrument: @escaping () -> String) { instruments.append(instrument) }
    static func printAll() { for instrument in instruments { print(instrument()) } }
}
