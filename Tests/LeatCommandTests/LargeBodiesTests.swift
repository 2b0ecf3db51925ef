import Testing

/// In a process of its own, for the other tests use memory as well.
@Suite(.timeLimit(.minutes(5)))
struct LargeBodiesTests {
    /// Four gibibytes, which no number of 32 bits can count, up and down, with a length and chunked.
    @Test func bodiesOfAnySizeTakeTheSameMemory() {
        let result = ChildProgram.run("/usr/bin/timeout", ["50", ChildProgram.path(of: "large-bodies"), "4097"])
        #expect(result.status == 0 && result.output.hasPrefix("4097 MiB as they were"), "\(result.output)")
    }

    @Test func whatIsAnnouncedIsNotReserved() {
        let result = ChildProgram.run("/usr/bin/timeout", ["20", ChildProgram.path(of: "large-bodies"), "promises"])
        #expect(result.status == 0 && result.output.hasPrefix("200 GiB promised"), "\(result.output)")
    }
}
