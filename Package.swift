// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Leat with what it re-exports: an incremental build sees changes only in modules that are named.
let leat: [Target.Dependency] = ["Leat", "LeatHTTP", "LeatNet", "LeatLoop", "LeatReactor"]

/// The code in the documentation, which is compiled and run by the tests: `doc-start` and the others.
let documentation: [Target] = [
    "Readme", "Start", "Client", "Forms", "Serving", "Proxies", "TLS", "Observing", "Upgrade", "Internals",
].map { page in
    .executableTarget(
        name: "doc-\(page.lowercased())",
        dependencies: leat + ["CLinux"],
        path: "docs/code/\(page)",
        swiftSettings: settings
    )
}

let package = Package(
    name: "leat",
    products: [
        .library(name: "Leat", targets: ["Leat"]),
        .executable(name: "leat", targets: ["LeatCommand"]),
        .executable(name: "leat-bench", targets: ["leat-bench"]),
    ],
    targets: [
        // The Glibc headers that Swift's Glibc module leaves out.
        .target(name: "CLinux"),
        // The wheel: poller, timer heap, ready deque, wake-up, clock. Synchronous; knows no tasks.
        .target(name: "LeatReactor", dependencies: ["CLinux"], swiftSettings: settings),
        // The runtime: the loop, its executors, parking, sleep, deadlines, semaphores, offloading.
        .target(name: "LeatLoop", dependencies: ["CLinux", "LeatReactor"], swiftSettings: settings),
        // Addresses, name resolution, TCP.
        .target(name: "LeatNet", dependencies: ["CLinux", "LeatReactor", "LeatLoop"], swiftSettings: settings),
        // Searching bytes sixteen at a time.
        .target(name: "CBytes"),
        // Messages, parser, client, server.
        .target(
            name: "LeatHTTP",
            dependencies: ["CBytes", "CLinux", "LeatReactor", "LeatLoop", "LeatNet"],
            swiftSettings: settings
        ),
        // What users import.
        .target(
            name: "Leat",
            dependencies: ["LeatReactor", "LeatLoop", "LeatNet", "LeatHTTP"],
            swiftSettings: settings
        ),
        // What both commands need: the words of a command line, JSON, the terminal.
        .target(name: "CommandKit", swiftSettings: settings),
        // The command `leat`.
        .executableTarget(
            name: "LeatCommand",
            dependencies: leat + ["CLinux", "CommandKit"],
            swiftSettings: settings
        ),
        // The benchmark, and the floor it measures against: a bare epoll loop in C.
        .target(name: "CFloor", path: "Benchmarks/floor"),
        .executableTarget(
            name: "leat-bench",
            dependencies: leat + ["CFloor", "CLinux", "CommandKit"],
            path: "Benchmarks/leat-bench",
            swiftSettings: settings
        ),
        // A program whose one thread the tests count.
        .executableTarget(
            name: "one-thread",
            dependencies: leat,
            path: "Tests/Programs/OneThread",
            swiftSettings: settings
        ),
        // A program that sends and receives large bodies, and looks at its memory.
        .executableTarget(
            name: "large-bodies",
            dependencies: leat,
            path: "Tests/Programs/LargeBodies",
            swiftSettings: settings
        ),
        // What the fuzzers run and check, the program that runs it, and the corpus as a test: see docs/internals/fuzzing.md.
        .target(
            name: "FuzzTargets",
            dependencies: leat + ["CLinux"],
            path: "Tests/Fuzz/Targets",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "leat-fuzz",
            dependencies: ["FuzzTargets", "LeatReactor"],
            path: "Tests/Fuzz/Program",
            swiftSettings: settings
        ),
        .testTarget(
            name: "FuzzReplayTests",
            dependencies: ["FuzzTargets"],
            path: "Tests/Fuzz/ReplayTests",
            swiftSettings: settings
        ),
        .testTarget(name: "LeatReactorTests", dependencies: ["LeatReactor", "CLinux"], swiftSettings: settings),
        .testTarget(
            name: "LeatLoopTests",
            dependencies: ["LeatLoop", "LeatReactor", "CLinux"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "LeatNetTests",
            dependencies: ["Leat", "LeatNet", "LeatLoop", "LeatReactor", "CLinux"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "LeatHTTPTests",
            dependencies: ["Leat", "CBytes", "LeatHTTP", "LeatLoop", "LeatNet", "LeatReactor"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "LeatCommandTests",
            dependencies: [
                "Leat", "LeatCommand", "CommandKit", "LeatHTTP", "one-thread", "large-bodies",
            ] + documentation.map { .target(name: $0.name) },
            swiftSettings: settings
        ),
    ] + documentation
)
