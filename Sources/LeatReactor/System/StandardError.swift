import Glibc

/// Writes a line to standard error, unbuffered. For debug reports and the end of a program only: the library never logs.
package func printToStandardError(_ line: String) {
    var line = line + "\n"
    line.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
}
