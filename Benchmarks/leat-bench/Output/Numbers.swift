/// Numbers as people read them.
enum Format {
    /// With so many decimals; thousands are separated if `grouped`.
    static func fixed(_ value: Double, _ decimals: Int, grouped: Bool = false) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "–" }
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = Int((abs(value) * scale).rounded())
        let whole = scaled / Int(scale)
        var text = grouped ? self.grouped(whole) : String(whole)
        if decimals > 0 {
            let fraction = String(scaled % Int(scale))
            text += "." + String(repeating: "0", count: decimals - fraction.count) + fraction
        }
        return value < 0 && scaled != 0 ? "-" + text : text
    }

    /// 1234567 as 1,234,567.
    static func grouped(_ value: Int) -> String {
        var groups: [Substring] = []
        var digits = Substring(String(value.magnitude))
        while digits.count > 3 {
            groups.insert(digits.suffix(3), at: 0)
            digits = digits.dropLast(3)
        }
        return (value < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
    }

    /// About three figures: 1,234 and 12.3 and 1.23 and 0.123.
    static func short(_ value: Double) -> String {
        switch abs(value) {
        case 100...: fixed(value, 0, grouped: true)
        case 10...: fixed(value, 1)
        case 1...: fixed(value, 2)
        default: fixed(value, 3)
        }
    }

    static func mebibytes(kibibytes: Double) -> String { fixed(kibibytes / 1024, 1, grouped: true) }
    static func mebibytes(bytes: Int) -> String { mebibytes(kibibytes: Double(bytes) / 1024) }

    /// 1.31 (1.28–1.35); only 1.31 where there was one round.
    static func ratio(_ spread: Spread) -> String {
        let median = fixed(spread.median, 2)
        if spread.low == spread.high { return median }
        return "\(median) (\(fixed(spread.low, 2))–\(fixed(spread.high, 2)))"
    }
}
