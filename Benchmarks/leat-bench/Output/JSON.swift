/// A JSON value to be printed. Members keep their order.
enum JSON {
    case object([(name: String, value: JSON)])
    case array([JSON])
    case string(String)
    case number(Double)
    case integer(Int)
    case bool(Bool)

    func render(indent: String = "") -> String {
        let inner = indent + "  "
        switch self {
        case .object(let members):
            let lines = members.map { inner + Self.quote($0.name) + ": " + $0.value.render(indent: inner) }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(indent)}"
        case .array(let elements):
            if elements.isEmpty { return "[]" }
            return "[\n" + elements.map { inner + $0.render(indent: inner) }.joined(separator: ",\n") + "\n\(indent)]"
        case .string(let string): return Self.quote(string)
        // Four decimals are more than was measured.
        case .number(let number): return number.isFinite ? "\((number * 1e4).rounded() / 1e4)" : "null"
        case .integer(let integer): return "\(integer)"
        case .bool(let bool): return "\(bool)"
        }
    }

    private static func quote(_ string: String) -> String {
        var quoted = "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

/// What can be printed as JSON.
protocol JSONConvertible {
    var json: JSON { get }
}

extension Spread: JSONConvertible {
    var json: JSON { .object([("median", .number(median)), ("low", .number(low)), ("high", .number(high))]) }
}

extension Machine: JSONConvertible {
    var json: JSON {
        .object([
            ("kernel", .string(kernel)), ("processor", .string(processor)), ("cores", .integer(cores)),
            ("swift", .string(swift)), ("build", .string(build)),
        ])
    }
}

extension AllocationCount {
    static func json(_ counts: (floor: Double, leat: Double)) -> JSON {
        .object([("floor", .number(counts.floor)), ("leat", .number(counts.leat))])
    }
}

extension ClientReport: JSONConvertible {
    var json: JSON {
        .object([
            ("requests", .number(requests)), ("seconds", .number(seconds)),
            ("requests_per_second", .number(rate)), ("cpu_us_per_request", .number(processorMicroseconds)),
            ("system_calls_per_request", .number(callsPerRequest)), ("p50_us", .number(p50)), ("p99_us", .number(p99)),
            ("threads", .number(threads)), ("peak_kib", .number(peakKiB)), ("retries", .number(retries)),
        ])
    }
}
