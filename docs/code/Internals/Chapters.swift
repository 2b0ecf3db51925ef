// The programs of the chapters in docs/internals: `swift run doc-internals turn` and so on.
import Leat

@main struct Chapters {
    static func main() throws {
        switch CommandLine.arguments.dropFirst().first {
        case "turn": try turn()
        case "await": try awaitToEpoll()
        case "timers": timers()
        case "readiness": try readiness()
        default: print("usage: doc-internals turn | await | timers | readiness")
        }
    }
}
