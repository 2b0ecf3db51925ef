import CommandKit

/// The table of keep-alive GETs, whichever side is measured.
struct ThroughputTable {
    /// The figures of the floor or of Leat.
    struct Side {
        var rate: Double
        var processorMicroseconds: Double
        var callsPerRequest: Double
        var allocationsPerRequest: Double
        var p50: Double
        var p99: Double
        var threads: Double
        var peakKiB: Double
    }

    var title: String
    var subtitle: String
    var note: String
    var floor: Side
    var leat: Side
    var rateOverFloor: Spread
    var processorOverFloor: Spread

    var table: Table {
        let ratios = [Format.ratio(rateOverFloor), Format.ratio(processorOverFloor)]
        return Table(
            title: title,
            subtitle: subtitle,
            columns: [
                "", "requests\nper s", "CPU µs\nper req.", "calls\nper req.", "allocs\nper req.", "p50\nµs",
                "p99\nµs", "threads", "peak\nMiB", "rate\n÷ floor", "CPU\n÷ floor",
            ],
            groups: [
                [
                    Table.Row(cells: ["floor"] + cells(floor) + ["", ""]),
                    Table.Row(cells: ["Leat"] + cells(leat) + ratios, style: .bold),
                ]
            ],
            note: note
        )
    }

    private func cells(_ side: Side) -> [String] {
        [
            Format.fixed(side.rate, 0, grouped: true),
            Format.fixed(side.processorMicroseconds, 2),
            Format.fixed(side.callsPerRequest, 2),
            Format.fixed(side.allocationsPerRequest, 2),
            Format.fixed(side.p50, 0, grouped: true),
            Format.fixed(side.p99, 0, grouped: true),
            Format.fixed(side.threads, 0),
            Format.mebibytes(kibibytes: side.peakKiB),
        ]
    }
}
