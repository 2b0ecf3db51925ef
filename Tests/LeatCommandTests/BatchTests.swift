import Testing

@testable import LeatCommand

/// Runs that are limited, divided, interrupted and resumed, as a user sees them.
@Suite(.timeLimit(.minutes(5)))
struct BatchTests {
    /// Prints how many lines of JSON the files have, and how many ids.
    private static let tally = #"""
        tally() { cat "$@" | python3 -c '
        import json, sys
        rows = [json.loads(l) for l in sys.stdin]
        print(len(rows), len(set(str(r["id"]) for r in rows)))'; }
        """#

    /// A server in Python that answers `/N` after N milliseconds, `/N/busy` with 503, and never answers `/never`; it writes a
    /// line to `begun` for each request. Its address is in `$SLOW`.
    private static let slowServer = #"""
        cat > slow.py <<'X'
        import http.server, time
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            def do_GET(self):
                open('begun', 'a').write(self.path + '\n')
                time.sleep(100 if 'never' in self.path else int(self.path.split('/')[1]) / 1000)
                self.send_response(503 if 'busy' in self.path else 200); self.send_header('Retry-After', '60')
                self.send_header('Content-Length', '2'); self.end_headers(); self.wfile.write(b'ok')
            def log_message(self, *a): pass
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        server.daemon_threads = True
        open('port', 'w').write('%d\n' % server.server_port)
        server.serve_forever()
        X
        : > begun; python3 slow.py & q=$!
        trap 'kill $p $q 2>/dev/null; wait $p $q 2>/dev/null; rm -rf $d' EXIT
        until_lines() { for i in $(seq 200); do [ $(wc -l < $1) -ge $2 ] && break; sleep 0.05; done; }
        : >> port; until_lines port 1; SLOW=http://127.0.0.1:$(cat port)
        """#

    private static var hasPython: Bool { ChildProgram.isInstalled("python3") }

    private func serving(_ script: String) -> ChildProgram {
        ChildProgram.serving("--echo", Self.tally + "\n" + script)
    }

    // MARK: Shards

    @Test(.enabled(if: hasPython && ChildProgram.isInstalled("parallel"), "GNU parallel or python3 is not installed"))
    func fourShardsUnderGNUParallelMakeEachRequestExactlyOnce() {
        let result = serving(
            #"""
            for i in $(seq 1001); do echo $URL/$i; [ $((i % 3)) = 0 ] && echo; done > urls.txt
            parallel --jobs 2 '$LEAT fetch --shard {}/4 < urls.txt > part-{}' ::: 0 1 2 3; echo $?
            wc -l < part-0; wc -l < part-3; tally part-*
            cat part-* | python3 -c '
            import json, sys
            print(len(set(json.loads(json.loads(l)["body"])["target"] for l in sys.stdin)))'
            """#
        )
        #expect(result.output == "0\n251\n250\n1001 1001\n1001\n")
    }

    @Test func aShardThatCannotBeToldIsExitCodeTwoAndNothingIsRequested() {
        let result = serving(
            """
            echo $URL/ > urls
            JOB_COMPLETION_INDEX=1 $LEAT fetch --shard auto < urls 2> e; echo $?; grep -c 'pass --shards N' e
            JOB_COMPLETION_INDEX=0 $LEAT fetch --shard auto --shards 2 --body none < urls 2> e | wc -l; cat e
            """
        )
        #expect(result.output == "2\n1\n1\nleat: shard 0/2, from JOB_COMPLETION_INDEX\n")
    }

    // MARK: Resuming

    @Test(.enabled(if: hasPython, "python3 is not installed"))
    func aRunThatIsKilledAgainAndAgainEndsWithEachResultOnce() {
        let result = serving(
            """
            seq 2000 | sed "s|^|$URL/|" > urls; : > j
            for n in 200 600 1200; do
            $LEAT fetch -c 5 --rate 4000 --resume j < urls 2>/dev/null & f=$!
            for i in $(seq 200); do [ $(wc -l < j) -ge $n ] && break; sleep 0.01; done; kill -9 $f; wait $f 2>/dev/null
            printf '{"id":1,"url":"htt' >> j
            done
            [ $(wc -l < j) -lt 2000 ] && echo unfinished
            $LEAT fetch --resume j < urls 2> e; echo $?; tally j; grep -c "cut off" e
            $LEAT fetch --resume j < urls 2>/dev/null; tally j
            """
        )
        #expect(result.output == "unfinished\n0\n2000 2000\n1\n2000 2000\n")
    }

    /// The journal would otherwise take the place of a closed stream.
    @Test func closedStandardStreamsLeaveAJournalAlone() {
        let program = ChildProgram.serving(
            "--echo",
            """
            for i in 1 2 3; do $LEAT fetch --resume j $URL/ 2>&-; echo $?; done
            $LEAT fetch --resume j $URL/ >&- 2>/dev/null; echo $?; wc -l < j
            $LEAT fetch $URL/ >&- 2> e; echo $?; grep -c 'standard output: Bad file descriptor' e
            """
        )
        #expect(program.output == "0\n0\n0\n0\n1\n1\n1\n", "\(program)")
    }

    @Test func aRequestThatFailedIsMadeAgainAndOneWithAStatusIsNot() {
        let result = ChildProgram.serving(
            "$d/www",
            """
            printf '%s\\n' http://127.0.0.1:1/ $URL/none $URL/a.txt nonsense > urls
            $LEAT fetch --resume j --body none < urls; echo $?; $LEAT fetch --resume j < urls 2>/dev/null; echo $?
            grep -c '"status":404' j; grep -c '"status":200' j; grep -c '"error":' j
            """
        )
        #expect(result.output == "1\n1\n1\n1\n4\n")
    }

    @Test func aJournalThatCannotBeUsedIsExitCodeTwo() {
        let result = serving(
            """
            echo nonsense > n; $LEAT fetch --resume n $URL/ 2> e; echo $?; grep -c 'line 1 of the journal n' e
            $LEAT fetch --resume j $URL/ > j 2> e; echo $?; grep -c 'redirected to the journal' e
            $LEAT fetch --save-remaining /nowhere/f $URL/ 2> e; echo $?
            """
        )
        #expect(result.output == "2\n1\n2\n1\n2\n")
    }

    // MARK: Limits

    @Test(.enabled(if: hasPython, "python3 is not installed"))
    func aHostThatIsSlowDoesNotHoldThePermitsOfTheOthers() {
        let result = serving(
            Self.slowServer + "\n"
                + """
                for i in $(seq 20); do echo $SLOW/never; done > urls; seq 50 | sed "s|^|$URL/|" >> urls
                $LEAT fetch -c 4 --per-host 2 --body none < urls > r 2>/dev/null & f=$!
                until_lines r 50; grep -c '"status":200' r; wc -l < begun
                kill -9 $f
                """
        )
        #expect(result.output == "50\n2\n")
    }

    @Test func aRunEndsAfterSoManyErrorsAndWhatWasUnderWay() {
        let result = serving(
            """
            for i in 1 2 3 4 5 6; do echo http://127.0.0.1:1/$i; done > urls
            $LEAT fetch -c 1 --max-errors 3 --save-remaining rest < urls > r 2> e; echo $?
            grep -c 'stopped after 3 errors' e; [ $(wc -l < r) -le 4 ] && tally r rest; tail -n 1 rest
            """
        )
        #expect(result.output == "6\n1\n6 6\n{\"id\":6,\"url\":\"http://127.0.0.1:1/6\"}\n")
    }

    // MARK: Signals

    @Test(.enabled(if: hasPython, "python3 is not installed"))
    func aSignalLetsWhatIsUnderWayEndAndSavesTheRest() {
        let result = serving(
            Self.slowServer + "\n"
                + """
                for i in $(seq 3000); do echo $SLOW/300; done > urls; cp urls todo
                $LEAT fetch -c 2 --save-remaining todo < todo > r 2> e & f=$!
                until_lines begun 2; kill -INT $f; wait $f; echo $?
                tally r; tally todo; tally r todo; wc -l < begun; cat e; ls todo*
                """
        )
        #expect(
            result.output == """
                7
                2 2
                2998 2998
                3000 3000
                2
                leat: 2998 requests not finished, written to todo
                todo

                """
        )
    }

    @Test(.enabled(if: hasPython, "python3 is not installed"))
    func whatTakesTooLongAfterASignalIsSavedWithWhatWasReadFromAPipe() {
        let result = serving(
            Self.slowServer + "\n"
                + """
                mkfifo in; $LEAT fetch -c 1 --shard 0/2 --save-remaining rest < in > r 2> e & f=$!
                exec 3> in; for i in 1 2 3 4 5; do echo $SLOW/never$i >&3; done; printf http://127. >&3
                until_lines begun 1; kill $f; wait $f; echo $?; wc -l < r
                tally rest; tail -n 1 rest | grep -c '"id":5,.*never5'
                """
        )
        #expect(result.output == "7\n0\n3 3\n1\n")
    }

    @Test func aSignalEndsAWaitForInput() {
        let result = serving(
            """
            mkfifo in; $LEAT fetch --body none --save-remaining rest < in > r 2> e & f=$!
            exec 3> in; echo $URL/ >&3
            for i in $(seq 100); do [ $(wc -l < r) = 1 ] && break; sleep 0.05; done
            kill $f; wait $f; echo $?; wc -l < r; wc -l < rest
            """
        )
        #expect(result.output == "7\n1\n0\n")
    }

    @Test(.enabled(if: hasPython, "python3 is not installed"))
    func afterASignalThereIsNoWaitForAnotherTry() {
        let result = serving(
            Self.slowServer + "\n"
                + """
                # One is being tried when the signal comes, the other waits for its second try.
                printf '%s\\n' $SLOW/300/busy $SLOW/0/busy > urls
                $LEAT fetch --retry 5 --save-remaining rest < urls > r 2> e & f=$!
                until_lines begun 2; sleep 0.1; kill $f; sleep 0.1; kill $f; t=$(date +%s); wait $f; echo $?
                [ $(($(date +%s) - t)) -lt 4 ] && echo soon; wc -l < begun; wc -l < r; wc -l < rest
                """
        )
        #expect(result.output == "7\nsoon\n2\n0\n2\n")
    }

    // MARK: The guide

    private static let guide = Repository.read(Repository.root + "/docs/guides/batch-at-scale.md")

    @Test(.enabled(if: ChildProgram.isInstalled("parallel"), "GNU parallel is not installed"))
    func theRunsOfTheGuidePrintWhatItSays() {
        let lines = Self.guide.blocks("console").flatMap { $0 }
        let commands = lines.filter { $0.hasPrefix("$ ") }.map { $0.dropFirst(2) }
        #expect(commands.count > 10)
        let result = serving(
            """
            exec 2>&1; PATH=$(dirname $LEAT):$PATH
            cat > guide <<'X'
            \(commands.joined(separator: "\n"))
            X
            sed "s|http://127.0.0.1:8080|$URL|" guide > commands; . ./commands
            """
        )
        #expect(result.output == lines.filter { !$0.hasPrefix("$ ") }.map { $0 + "\n" }.joined())
    }

    @Test(.enabled(if: hasPython, "python3 is not installed"))
    func theSlurmScriptOfTheGuideDividesTheWork() throws {
        let script = try #require(Self.guide.blocks("bash").first).joined(separator: "\n")
        let result = serving(
            """
            exec 2>/dev/null; PATH=$(dirname $LEAT):$PATH; seq 400 | sed "s|^|$URL/|" > urls.txt
            cat > job <<'X'
            \(script)
            X
            export SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=15 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=16
            for i in $(seq 0 15); do SLURM_ARRAY_TASK_ID=$i bash job & jobs="$jobs $!"; done; wait $jobs
            tally part-*
            """
        )
        #expect(result.output == "400 400\n")
    }
}
