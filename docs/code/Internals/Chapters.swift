// The programs of the chapters in docs/internals: `swift run doc-internals turn` and so on.
import Leat

@main struct Chapters {
    static func main() throws {
        switch CommandLine.arguments.dropFirst().joined(separator: " ") {
        case "turn": try turn()
        case "await": try awaitToEpoll()
        case "timers": timers()
        case "readiness": try readiness()
        case "http1": try http1()
        case "http1 length": try http1Length()
        case "http1 refused": http1Refused()
        case "http1 splits": http1Splits()
        case "http1 readers": http1Readers()
        case "server": try server()
        case "buffers": try buffers()
        case "buffers calls": try buffersCalls()
        case "buffers pressure": try buffersPressure()
        default:
            print(
                """
                usage: doc-internals turn | await | timers | readiness
                       doc-internals http1 [length | refused | splits | readers]
                       doc-internals server
                       doc-internals buffers [calls | pressure]
                """
            )
        }
    }
}
