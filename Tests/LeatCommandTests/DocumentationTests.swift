import Glibc
import Testing

/// The documentation, as files.
struct Page: CustomTestStringConvertible, Sendable {
    let path: String
    let lines: [String]

    var testDescription: String { path }

    /// The fenced blocks whose info string is `language`, without common indentation.
    func blocks(_ language: String) -> [[String]] {
        var blocks: [[String]] = []
        var block: [String]?
        for line in lines {
            if line == "```", let ended = block {
                blocks.append(ended)
                block = nil
            } else if line == "```" + language {
                block = []
            } else {
                block?.append(line)
            }
        }
        return blocks
    }

    /// The targets of its links, without anchors.
    var links: [String] {
        var isCode = false
        let text = lines.filter { line in
            if line.hasPrefix("```") { isCode.toggle() }
            return !isCode
        }
        return text.joined(separator: "\n").split(separator: "](").dropFirst().compactMap { rest in
            let target = rest.prefix { $0 != ")" && $0 != "#" }
            return target.isEmpty || target.contains("://") ? nil : String(target)
        }
    }
}

enum Repository {
    static let root = String(#filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined())

    static func read(_ path: String) -> Page {
        guard let file = fopen(path, "r") else { return Page(path: path, lines: []) }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while case let count = fread(&piece, 1, piece.count, file), count > 0 { bytes += piece[..<count] }
        let text = String(decoding: bytes, as: UTF8.self)
        return Page(path: path, lines: text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
    }

    /// The files below a directory whose names end so.
    static func files(in directory: String, _ suffix: String) -> [String] {
        ChildProgram.run("/usr/bin/find", [root + directory, "-name", "*" + suffix, "-not", "-path", "*/.build*"])
            .output.split(separator: "\n").map(String.init).sorted()
    }

    static let pages = (files(in: "/docs", ".md") + [root + "/README.md", root + "/CONTRIBUTING.md"]).map(read)
    static let code = files(in: "/docs/code", ".swift").map(read)
}

@Suite(.timeLimit(.minutes(2)))
struct DocumentationTests {
    @Test func thereIsDocumentationToCheck() {
        #expect(Repository.pages.count >= 10 && Repository.code.count >= 5)
        #expect(Repository.pages.flatMap { $0.blocks("swift") }.count >= 10)
    }

    @Test(arguments: Repository.pages)
    func everyBlockOfSwiftIsCompiled(_ page: Page) {
        for block in page.blocks("swift") {
            let found = Repository.code.contains { Self.contains($0.lines, block) }
            #expect(found, "no file under docs/code has this block:\n\(block.joined(separator: "\n"))")
        }
    }

    @Test(arguments: Repository.pages)
    func everyPrintedRunIsWhatItPrints(_ page: Page) {
        for block in page.blocks("console") {
            let command = block[0].split(separator: " ").map(String.init)
            guard command.starts(with: ["$", "swift", "run"]), command[3].hasPrefix("doc-") else { continue }
            // It makes certificates.
            if command[3] == "doc-tls", !ChildProgram.isInstalled("openssl") { continue }
            let run = ChildProgram.run(ChildProgram.path(of: command[3]), Array(command[4...]))
            #expect(run.output == block.dropFirst().map { $0 + "\n" }.joined())
        }
    }

    @Test(arguments: Repository.pages)
    func everyLinkLeadsSomewhere(_ page: Page) {
        let directory = page.path.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        for link in page.links {
            #expect(access("\(directory)/\(link)", R_OK) == 0, "\(link)")
        }
    }

    @Test func thePhrasebookHasNoEmptyCell() throws {
        let page = try #require(Repository.pages.first { $0.path.hasSuffix("/start.md") })
        let rows = page.lines.filter { $0.hasPrefix("|") }
        #expect(rows.count > 40)
        for row in rows {
            let cells = row.dropFirst().dropLast().split(separator: "|", omittingEmptySubsequences: false)
            #expect(cells.count == 2 && cells.allSatisfy { $0.contains { $0 != " " } }, "\(row)")
        }
    }

    @Test func theProgramsOfTheGuideRun() {
        let run = ChildProgram.shell("timeout 20 $(dirname $LEAT)/doc-start")
        #expect(run.status == 0 && run.output.hasSuffix("echo: over and out\n"), "\(run.output)")
    }

    /// Whether the lines stand one after the other in `text`, all indented by the same amount.
    private static func contains(_ text: [String], _ block: [String]) -> Bool {
        guard let first = block.first, text.count >= block.count else { return false }
        return (0...text.count - block.count).contains { start in
            guard text[start].hasSuffix(first) else { return false }
            let indentation = text[start].dropLast(first.count)
            guard indentation.allSatisfy({ $0 == " " }) else { return false }
            return block.indices.allSatisfy {
                text[start + $0] == (block[$0].isEmpty ? "" : indentation + block[$0])
            }
        }
    }
}
