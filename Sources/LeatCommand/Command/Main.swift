import CommandKit
import Glibc
import Leat

/// The command line `leat`. What it is asked to do is settled before there is a loop; then the process lives on one.
@main
struct LeatCommand {
    static func main() {
        StandardStream.fillGaps()
        do throws(UsageError) {
            try run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            StandardStream.error("leat: \(error)\n")
            exit(2)
        }
    }

    private static func run(_ words: [String]) throws(UsageError) {
        let rest = words.dropFirst()
        let wantsHelp = rest.contains("--help") || rest.contains("-h")
        switch words.first {
        case "fetch" where wantsHelp, "serve" where wantsHelp: show(try Help.text(for: words[0]))
        case "fetch":
            try FetchProgram.prepare(rest)
            FetchProgram.main()
        case "serve":
            ServeProgram.options = try ServeOptions(parsing: rest)
            ServeProgram.main()
        case "help", "--help", "-h": show(try Help.text(for: rest.first))
        case "--version": show(Help.version)
        case nil: throw UsageError("what is to be done? See 'leat --help'")
        case .some(let other): throw UsageError("there is no command '\(other)'; see 'leat --help'")
        }
    }

    private static func show(_ text: String) {
        let code = StandardStream.writeAll(Array("\(text)\n".utf8), to: 1)
        if code != 0 { end(SystemError(code: code, operation: "write to standard output")) }
    }

    /// Ends the process with what went wrong. If that is a reader who has left, as `head` does, it ends like any filter.
    static func end(_ error: any Error) -> Never {
        if let error = error as? SystemError, error.code == EPIPE {
            signal(SIGPIPE, SIG_DFL)
            raise(SIGPIPE)
        }
        StandardStream.error("leat: \(error)\n")
        exit(1)
    }
}
