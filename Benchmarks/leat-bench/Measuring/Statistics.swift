/// The middle and the extremes of a few measurements.
struct Spread {
    var median: Double
    var low: Double
    var high: Double

    /// Precondition: there is at least one value.
    init(_ values: [Double]) {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        median = sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
        low = sorted.first!
        high = sorted.last!
    }
}

/// The latencies of many requests, in nanoseconds.
struct Percentiles {
    private let sorted: [UInt32]

    init(_ values: consuming [UInt32]) {
        values.sort()
        sorted = values
    }

    /// The value that a share of `rank` (0 to 1) of all does not exceed; 0 if there are none.
    func microseconds(_ rank: Double) -> Double {
        guard !sorted.isEmpty else { return 0 }
        let index = Int((rank * Double(sorted.count)).rounded(.up)) - 1
        return Double(sorted[min(max(index, 0), sorted.count - 1)]) / 1_000
    }
}

/// Measurements of the floor and of Leat in turns: floor, Leat, floor, Leat, …, floor.
///
/// A shared machine changes its speed from one minute to the next. What holds is the ratio of neighbours.
struct Interleaved<Result> {
    private(set) var floors: [Result] = []
    private(set) var leats: [Result] = []

    init(rounds: Int, floor: () throws -> Result, leat: () throws -> Result) rethrows {
        floors.append(try floor())
        for _ in 0..<rounds {
            leats.append(try leat())
            floors.append(try floor())
        }
    }

    /// Leat's figure over the mean of the two floors beside it, for each round.
    func ratio(_ figure: (Result) -> Double) -> Spread {
        Spread(
            leats.indices.map { round in
                let beside = (figure(floors[round]) + figure(floors[round + 1])) / 2
                return figure(leats[round]) / beside
            }
        )
    }

    func floor(_ figure: (Result) -> Double) -> Spread { Spread(floors.map(figure)) }
    func leat(_ figure: (Result) -> Double) -> Spread { Spread(leats.map(figure)) }
}
