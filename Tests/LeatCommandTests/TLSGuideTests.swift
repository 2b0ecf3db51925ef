import Testing

/// The runs of docs/guides/tls.md, one after the other in one shell.
@Suite(.timeLimit(.minutes(5)))
struct TLSGuideTests {
    private static let guide = Repository.read(Repository.root + "/docs/guides/tls.md")
    private static let hasTools = ["openssl", "curl"].allSatisfy(ChildProgram.isInstalled)

    @Test(.enabled(if: hasTools, "openssl or curl is not installed"))
    func theRunsOfTheGuidePrintWhatItSays() {
        let lines = Self.guide.blocks("console").filter { !$0[0].hasPrefix("$ swift") }.flatMap { $0 }
        let commands = lines.filter { $0.hasPrefix("$ ") }.map { $0.dropFirst(2) }
        #expect(commands.count > 8)
        // The port of the guide may be taken: one that was free just now stands in for it.
        let result = ChildProgram.shell(
            """
            exec 2>&1; d=$(mktemp -d); trap 'rm -rf $d' EXIT; cd $d; PATH=$(dirname $LEAT):$PATH
            : > out; leat serve --echo --port 0 > out & p=$!
            for i in $(seq 100); do grep -q listening out && break; sleep 0.05; done
            port=$(sed 's/.*:\\([0-9]*\\).*/\\1/' out); kill $p; wait $p
            cat > guide <<'X'
            \(commands.joined(separator: "\n"))
            X
            sed "s/8443/$port/" guide > commands; . ./commands > printed; sed "s/$port/8443/" printed
            """
        )
        #expect(result.output == lines.filter { !$0.hasPrefix("$ ") }.map { $0 + "\n" }.joined())
    }
}
