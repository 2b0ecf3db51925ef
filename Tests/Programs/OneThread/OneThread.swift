// A loop program that does what ordinary Swift programs do, a thousand times over HTTP, and exits with 0 if it has had
// exactly one thread all along.
import Glibc
import Leat

/// The threads of this process (proc(5)).
func threadCount() -> Int {
    guard let directory = opendir("/proc/self/task") else { return -1 }
    defer { closedir(directory) }
    var count = 0
    while let entry = readdir(directory) {
        if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 }
    }
    return count
}

@MainActor var threadsSeenByTheMainActor = 0

@MainActor func noteThreads() {
    threadsSeenByTheMainActor = max(threadsSeenByTheMainActor, threadCount())
}

actor Tally {
    private(set) var most = 0

    func note() { most = max(most, threadCount()) }
}

@main struct OneThread: LoopProgram {
    func run() async throws {
        let server = try HTTPServer.bind(to: .loopback(port: 0)) { _, _ in
            try await Task.sleep(for: .milliseconds(5))
            return HTTPServerResponse(body: .text("ok"))
        }
        let serving = Task { try await server.run() }
        let client = HTTPClient()
        let url = HTTPURL("http://\(server.localAddress)/")!
        let tally = Tally()
        let answers = try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<1000 {
                group.addTask {
                    if number % 100 == 0 { await noteThreads() }
                    try await Task.sleep(for: .milliseconds(number % 10))
                    let text = try await Task { try await client.get(url).text }.value
                    await tally.note()
                    return text
                }
            }
            return try await group.reduce(into: [String]()) { $0.append($1) }
        }
        server.beginGracefulShutdown()
        await client.shutdown()
        _ = try await serving.value
        let most = max(await tally.most, await threadsSeenByTheMainActor, threadCount())
        let remote = EventLoop.current.statistics.remoteJobs
        print("answers \(answers.filter { $0 == "ok" }.count), threads \(most), jobs from other threads \(remote)")
        // The one job from elsewhere is the program's first: the loop did not run yet.
        exit(answers.count == 1000 && most == 1 && remote <= 1 ? 0 : 1)
    }
}
