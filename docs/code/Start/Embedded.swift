import Leat

func embedded() throws {
    let sizes = try EventLoop.run {
        let client = HTTPClient()
        let url: HTTPURL = "http://127.0.0.1:8080/"
        return try await (0..<10).concurrentMap(limit: 10) { _ in try await client.get(url).body.count }
    }
    print(sizes)
}

func aTestThatDoesNotSleep() throws {
    var configuration = EventLoop.Configuration()
    configuration.clock = .manual(ManualClock(autojump: true))
    try EventLoop.run(configuration: configuration) {
        let begin = EventLoop.current.now
        try await sleep(for: .seconds(3600))
        precondition(begin.duration(to: EventLoop.current.now) == .seconds(3600))
    }
}
