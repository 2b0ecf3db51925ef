import Glibc

/// Emphasis and progress, where there is a person to see them.
package enum Terminal {
    package enum Style: String {
        case plain = ""
        case bold = "1"
        case dim = "2"
        case failure = "31"
        case alarm = "1;37;41"
    }

    /// Colour is for terminals, and for those who have not asked to be spared it (https://no-color.org).
    private static let allowsStyles: Bool = {
        let refused = getenv("NO_COLOR").map { $0.pointee != 0 } ?? false
        let isDumb = getenv("TERM").map { String(cString: $0) == "dumb" } ?? true
        return !refused && !isDumb
    }()

    package static func styled(_ text: String, _ style: Style, on descriptor: Int32 = STDOUT_FILENO) -> String {
        guard allowsStyles, isatty(descriptor) == 1, style != .plain, !text.isEmpty else { return text }
        return "\u{1b}[\(style.rawValue)m\(text)\u{1b}[0m"
    }

    /// Prints at once, also into a pipe.
    package static func say(_ text: String) {
        print(text)
        fflush(nil)
    }

    /// Prints a result, in the place of the line of progress.
    package static func present(_ text: String) {
        progress("")
        say(text)
    }

    /// Replaces the line of progress on standard error, if that is a terminal.
    package static func progress(_ text: String) {
        guard isatty(STDERR_FILENO) == 1 else { return }
        let line = "\r\u{1b}[K" + text
        _ = write(STDERR_FILENO, line, line.utf8.count)
    }
}
