import Glibc
import Leat
import LeatHTTP

/// The listing of a directory as HTML, rendered in pieces.
///
/// All operations block. They are called on an offload thread, one after the other.
final class ListingPage: @unchecked Sendable {
    private let directory: ServedFile
    private let title: String
    private let count: Int
    private var entries: ArraySlice<DirectoryNames.Entry>
    private var hasBegun = false
    /// Whether the last piece has been rendered.
    private(set) var isComplete = false

    /// More names than these are not listed: the page says so.
    static let maximumEntries = 10_000
    /// A piece ends with the entry that reaches this size.
    private static let pieceSize = 65_536

    /// A page of the first of `names`, which have been read.
    init(title: String, directory: ServedFile, names: DirectoryNames) {
        self.directory = directory
        self.title = title
        count = names.count
        entries = names.takeFirst()[...]
    }

    /// Renders the next piece.
    func nextPiece() -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(Self.pieceSize + 4096)
        if !hasBegun { appendHead(to: &output) }
        hasBegun = true
        while output.count < Self.pieceSize {
            guard let entry = entries.popFirst() else {
                output += "</ul>\n".utf8
                // The names are freed here, not on the loop.
                entries = []
                isComplete = true
                break
            }
            append(entry, to: &output)
        }
        return output
    }

    private func appendHead(to output: inout [UInt8]) {
        output += "<!doctype html>\n<meta charset=\"utf-8\">\n<title>".utf8
        Self.appendEscaped(title, to: &output)
        output += "</title>\n<h1>".utf8
        Self.appendEscaped(title, to: &output)
        output += "</h1>\n".utf8
        if count > entries.count { output += "<p>The first \(entries.count) of \(count) names are listed.</p>\n".utf8 }
        output += "<ul>\n".utf8
        if title != "/" { output += "<li><a href=\"../\">../</a>\n".utf8 }
    }

    /// The link is made of the name's bytes, which need not be UTF-8. What is shown has U+FFFD for bytes that are not.
    private func append(_ entry: DirectoryNames.Entry, to output: inout [UInt8]) {
        let slash = isDirectory(entry) ? "/" : ""
        output += "<li><a href=\"./".utf8
        output += PercentEncoding.encode(entry.name)
        output += "\(slash)\">".utf8
        Self.appendEscaped(String(decoding: entry.name, as: UTF8.self), to: &output)
        output += "\(slash)</a>\n".utf8
    }

    /// A symbolic link to a directory is one, too.
    private func isDirectory(_ entry: DirectoryNames.Entry) -> Bool {
        switch Int(entry.type) {
        case Int(DT_DIR): true
        case Int(DT_LNK), Int(DT_UNKNOWN): directory.hasDirectory(named: entry.name)
        default: false
        }
    }

    private static func appendEscaped(_ text: String, to output: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "<"): output += "&lt;".utf8
            case UInt8(ascii: ">"): output += "&gt;".utf8
            case UInt8(ascii: "&"): output += "&amp;".utf8
            case UInt8(ascii: "\""): output += "&quot;".utf8
            default: output.append(byte)
            }
        }
    }
}
