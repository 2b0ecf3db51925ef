/// Heap allocations per request in the steady state: what a longer run allocates more than a shorter one. What it takes to
/// start, to connect and to warm up is in both. These runs are apart from those that are timed.
enum AllocationCount {
    /// Long enough for whatever grows with use to have grown, in the shorter run too.
    static let standard = (shorter: 2_000, longer: 10_000)

    /// `allocations` makes a run of so many requests in new processes, and says what the one in question allocated.
    static func perRequest(
        _ requests: (shorter: Int, longer: Int) = standard,
        _ allocations: (_ requests: Int) throws -> Double
    ) rethrows -> Double {
        let more = try allocations(requests.longer) - allocations(requests.shorter)
        return more / Double(requests.longer - requests.shorter)
    }
}
