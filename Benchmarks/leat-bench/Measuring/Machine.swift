import CommandKit
import Glibc
import LeatReactor

/// What the figures were taken on. Figures without this mean nothing.
struct Machine {
    let kernel: String
    let processor: String
    let cores: Int
    let swift = Machine.swiftVersion
    let build = Machine.isDebugBuild ? "debug" : "release"

    init() {
        var names = utsname()
        uname(&names)
        kernel = withUnsafeBytes(of: &names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        processor = Machine.processorName() ?? "unknown processor"
        cores = Processors.allowed.count
    }

    var line: String {
        "Linux \(kernel) · \(processor) · \(cores) core\(cores == 1 ? "" : "s") · Swift \(swift) · \(build) build"
    }

    static var isDebugBuild: Bool {
        #if DEBUG
            true
        #else
            false
        #endif
    }

    /// Figures of a debug build have misled many. On standard error, so that it can be told from the figures.
    static func shoutIfDebug() {
        guard isDebugBuild else { return }
        let text = " THIS IS A DEBUG BUILD. These figures say nothing. Run: swift run -c release leat-bench "
        printToStandardError(Terminal.styled(text, .alarm, on: STDERR_FILENO))
    }

    /// The compiler does not tell its version; it only answers comparisons.
    private static var swiftVersion: String {
        #if compiler(>=6.5)
            "6.5 or later"
        #elseif compiler(>=6.4)
            "6.4"
        #elseif compiler(>=6.3.3)
            "6.3.3"
        #elseif compiler(>=6.3.2)
            "6.3.2"
        #elseif compiler(>=6.3.1)
            "6.3.1"
        #elseif compiler(>=6.3)
            "6.3"
        #else
            "6.2"
        #endif
    }

    private static func processorName() -> String? {
        guard let text = readSmallFile("/proc/cpuinfo") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("model name") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            return String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return nil
    }
}
