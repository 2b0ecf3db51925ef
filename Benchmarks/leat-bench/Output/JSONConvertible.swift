import CommandKit

extension JSON {
    /// A figure with four decimals, which are more than was measured; null if it is not finite.
    static func measured(_ value: Double) -> JSON {
        value.isFinite ? .number("\((value * 1e4).rounded() / 1e4)") : .null
    }
}

/// What can be printed as JSON.
protocol JSONConvertible {
    var json: JSON { get }
}

extension Spread: JSONConvertible {
    var json: JSON { .object([("median", .measured(median)), ("low", .measured(low)), ("high", .measured(high))]) }
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
        .object([("floor", .measured(counts.floor)), ("leat", .measured(counts.leat))])
    }
}

extension ClientReport: JSONConvertible {
    var json: JSON {
        .object([
            ("requests", .measured(requests)), ("seconds", .measured(seconds)),
            ("requests_per_second", .measured(rate)), ("cpu_us_per_request", .measured(processorMicroseconds)),
            ("system_calls_per_request", .measured(callsPerRequest)),
            ("p50_us", .measured(p50)), ("p99_us", .measured(p99)),
            ("threads", .measured(threads)), ("peak_kib", .measured(peakKiB)), ("retries", .measured(retries)),
        ])
    }
}
