import FuzzTargets
import Testing

/// What the fuzzers start from, and what once showed a fault, runs as a test.
@Suite(.timeLimit(.minutes(5)))
struct ReplayTests {
    private static let corpus = String(
        #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Corpus"
    )

    @Test(arguments: FuzzTarget.all.map(\.name))
    func everyInputOfTheCorpusHolds(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let paths = CorpusFile.list(Self.corpus + "/" + name)
        #expect(!paths.isEmpty)
        for path in paths {
            let input = try #require(CorpusFile.read(path))
            do {
                try target.check(input)
            } catch {
                Issue.record("\(path): \(error)")
            }
        }
    }

    @Test func everyFolderOfTheCorpusHasATarget() {
        let folders = CorpusFile.list(Self.corpus).map { String($0.split(separator: "/").last!) }
        #expect(folders == FuzzTarget.all.map(\.name).sorted())
    }
}
