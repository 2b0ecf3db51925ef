import Testing

@Suite(.timeLimit(.minutes(5)), .enabled(if: ChildProgram.isInstalled("python3"), "python3 is not installed"))
struct TerminationTests {
    /// Begins a request to `leat serve` and does something to the process; prints what came of both.
    private func serve(_ program: String) -> ChildProgram {
        ChildProgram.serving(
            "--echo",
            """
            cat > client.py <<'X'
            import os, signal, socket, sys, time
            pid, port = int(sys.argv[1]), int(sys.argv[2].rsplit(":", 1)[1])
            s = socket.create_connection(("127.0.0.1", port))
            # Answered, so the server has seen what comes behind it: half a request.
            s.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\nPOST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 2\\r\\n\\r\\n1")
            s.recv(65536)
            def signals(seconds):
                began = time.monotonic()
                try:
                    while time.monotonic() - began < seconds:
                        os.kill(pid, signal.SIGTERM)
                        if open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1][0] == "Z": break
                        time.sleep(0.02)
                except OSError: pass
                return time.monotonic() - began
            \(program)
            X
            python3 client.py $p $URL; wait $p; echo $?
            """
        )
    }

    @Test func aSignalThatIsRepeatedWithinASecondIsOne() {
        let result = serve(
            """
            print(signals(0.3) >= 0.3)
            s.sendall(b"2")
            print(s.recv(65536).split(b"\\r\\n")[0].decode())
            """
        )
        #expect(result.output == "True\nHTTP/1.1 200 OK\n0\n")
    }

    @Test func aSignalThatComesLaterEndsTheServerAtOnce() {
        let result = serve(
            """
            print(0.9 < signals(20) < 15)
            """
        )
        #expect(result.output == "True\n143\n")
    }
}
