import CommandKit

/// A table in plain text: the first column to the left, figures to the right, groups of rows apart. The name of a column
/// may have several lines.
struct Table {
    struct Row {
        var cells: [String]
        var style = Terminal.Style.plain
    }

    var title: String
    /// Said below the title: what was done, in one line.
    var subtitle = ""
    var columns: [String]
    var groups: [[Row]] = []
    /// Said below the table: what its figures do not say themselves.
    var note = ""

    private static let gap = "  "
    private static let indent = "  "

    func render() -> String {
        let head = headLines
        let widths = columns.indices.map { column in
            (head + groups.joined().map(\.cells)).map { $0[column].count }.max() ?? 0
        }
        let width = widths.reduce(0, +) + Self.gap.count * (columns.count - 1)
        let rule = Terminal.styled(Self.indent + String(repeating: "─", count: width), .dim)
        var lines = [Terminal.styled(title, .bold)]
        if !subtitle.isEmpty { lines.append(Terminal.styled(subtitle, .dim)) }
        lines.append("")
        lines += head.map { Self.line($0, widths, .plain) } + [rule]
        for (index, group) in groups.enumerated() {
            if index > 0, group.count > 1 || groups[index - 1].count > 1 { lines.append("") }
            lines += group.map { Self.line($0.cells, widths, $0.style) }
        }
        if !note.isEmpty { lines.append(Terminal.styled(Self.indent + note, .dim)) }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The names of the columns, line by line, ending on the same one.
    private var headLines: [[String]] {
        let names = columns.map { $0.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) }
        let height = names.map(\.count).max() ?? 1
        return (0..<height).map { line in
            names.map { name in
                let first = height - name.count
                return line < first ? "" : name[line - first]
            }
        }
    }

    private static func line(_ cells: [String], _ widths: [Int], _ style: Terminal.Style) -> String {
        var line = ""
        for (column, cell) in cells.enumerated() {
            let padding = String(repeating: " ", count: widths[column] - cell.count)
            line += column == 0 ? cell + padding : gap + padding + cell
        }
        while line.last == " " { line.removeLast() }
        return Terminal.styled(indent + line, style)
    }
}
