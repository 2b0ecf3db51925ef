import Testing

@testable import LeatCommand

/// The command as a user runs it, against peers that this project did not write.
@Suite(.timeLimit(.minutes(5)))
struct EndToEndTests {
    @Test func aProgramOnTheLoopHasOneThread() {
        let result = ChildProgram.run(ChildProgram.path(of: "one-thread"), [])
        #expect(result.status == 0, "\(result.output)")
        #expect(result.output == "answers 1000, threads 1, jobs from other threads 1\n")
    }

    @Test func curlGetsTheFilesAndNothingElse() {
        let result = ChildProgram.serving(
            "$d/www",
            """
            curl -s $URL/a.txt; echo; curl -s $URL/big | cmp - www/big && echo same
            curl -s -r 1-3 $URL/a.txt; echo; curl -s -o /dev/null -w '%{http_code}\\n' -r 9- $URL/a.txt
            curl -s -o /dev/null -w '%{http_code}\\n' --path-as-is $URL/../../../etc/passwd
            ln -s /etc/passwd www/out; ln -s a.txt www/in
            curl -s -o /dev/null -w '%{http_code}\\n' $URL/out; curl -s $URL/in; echo
            curl -s -o /dev/null -w '%{http_code}\\n' -X POST $URL/a.txt
            curl -s -o /dev/null -w '%{http_code} %{redirect_url}\\n' $URL/sub
            tag=$(curl -sI $URL/a.txt | sed -n 's/^ETag: \\(.*\\)\\r/\\1/p')
            curl -s -o /dev/null -w '%{http_code}\\n' -H "If-None-Match: $tag" $URL/a.txt
            curl -s $URL/ | grep -c href
            """
        )
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(lines.count == 11, "\(result.output)")
        #expect(lines.prefix(8) == ["hello", "same", "ell", "416", "404", "404", "hello", "405"])
        #expect(lines[8].hasPrefix("301 http://") && lines[8].hasSuffix("/sub/"))
        #expect(lines.suffix(2) == ["304", "5"])
    }

    @Test func curlIsToldWhatItSaid() {
        let result = ChildProgram.serving(
            "--echo",
            """
            curl -s -X PATCH "$URL/a?b=%20" -H 'X-A: 1' -H 'x-a: 2' -H 'User-Agent:' -H 'Accept:' -d hi
            head -c 2000000 /dev/zero | curl -s --data-binary @- $URL/ | wc -c
            curl -s --http1.0 -o /dev/null -w '%{http_code}\\n' $URL/
            curl -sI $URL/ | head -1; curl -s -o /dev/null -o /dev/null -w '%{num_connects}\\n' $URL/ $URL/
            """
        )
        let lines = result.output.split(whereSeparator: \.isNewline).map(String.init)
        #expect(lines.count == 6, "\(result.output)")
        #expect(lines[0].hasPrefix(#"{"method":"PATCH","target":"/a?b=%20","headers":[["Host","127.0.0.1:"#))
        #expect(lines[0].contains(#"["X-A","1"],["x-a","2"]"#) && lines[0].hasSuffix(#""body_base64":"aGk="}"#))
        #expect(Int(lines[1])! > 2_666_668)
        #expect(lines[2...] == ["200", "HTTP/1.1 200 OK", "1", "0"])
    }

    @Test func aProgramCanWriteALineAndWaitForItsResult() {
        let result = ChildProgram.serving(
            "--echo",
            """
            mkfifo in; $LEAT fetch --body none < in > result & f=$!
            exec 3> in
            echo $URL/1 >&3; for i in $(seq 100); do [ $(wc -l < result) = 1 ] && break; sleep 0.05; done; wc -l < result
            echo '{"id":"two","url":"'$URL'/2"}' >&3
            for i in $(seq 100); do [ $(wc -l < result) = 2 ] && break; sleep 0.05; done; wc -l < result
            exec 3>&-; wait $f; echo $?
            """
        )
        #expect(result.output == "1\n2\n0\n")
    }

    @Test func aReaderThatLeavesEndsTheRunAsItEndsAnyFilter() {
        let result = ChildProgram.serving(
            "--echo",
            """
            yes $URL/ | head -n 3000 > urls
            { $LEAT fetch < urls 2> said; echo $? > status; } | head -n 1 | cut -c 1-6
            cat status said
            """
        )
        #expect(result.output == "{\"id\":\n141\n")
    }

    @Test func whatCannotBeSaidIsAnError() {
        let result = ChildProgram.shell("for word in --help --version; do $LEAT $word > /dev/full 2>&-; echo $?; done")
        #expect(result.output == "1\n1\n")
    }

    @Test func failuresAndUsageHaveExitCodesOfTheirOwn() {
        let result = ChildProgram.shell(
            """
            $LEAT fetch --retry 1 http://127.0.0.1:1/ | grep -c '"attempts":2.*"error":"connect: '; echo nonsense | $LEAT fetch >/dev/null; echo $?
            $LEAT fetch --nope 2>/dev/null; echo $?; $LEAT 2>/dev/null; echo $?; $LEAT fetch --help | head -1
            $LEAT fetch --cacert /nowhere.pem https://127.0.0.1:1/ 2>&1; echo $?
            $LEAT serve --cert /nowhere.pem --key /nowhere.key . 2>&1; echo $?; $LEAT serve /nowhere 2>&1; echo $?
            """
        )
        let missing = "/nowhere.pem: No such file or directory"
        #expect(
            result.output == """
                1
                1
                2
                2
                usage: leat fetch [options] [URL ... | -]
                leat: --cacert \(missing)
                2
                leat: --cert \(missing)
                2
                leat: open /nowhere: No such file or directory (2)
                1

                """
        )
    }

    @Test(.enabled(if: ChildProgram.isInstalled("nginx"), "nginx is not installed"))
    func everyFileThatNginxServesArrivesByteForByte() {
        let result = ChildProgram.shell(
            """
            d=$(mktemp -d); cd $d; mkdir www tmp; trap 'kill $p 2>/dev/null; wait $p; rm -rf $d' EXIT
            for i in $(seq 300); do head -c $((i * i * 7)) /dev/urandom > www/f$i; done; : > www/empty; chmod -R a+rX $d
            for try in 1 2 3; do
            port=$(python3 -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
            cat > c <<X
            daemon off; master_process off; pid $d/pid; error_log $d/log crit; events {}
            http { access_log off; client_body_temp_path $d/tmp; proxy_temp_path $d/tmp; fastcgi_temp_path $d/tmp;
            uwsgi_temp_path $d/tmp; scgi_temp_path $d/tmp; server { listen 127.0.0.1:$port; root $d/www; autoindex on; } }
            X
            nginx -p $d -c $d/c 2>/dev/null & p=$!; sleep 0.5; kill -0 $p 2>/dev/null && break; done
            ls www | sed "s|^|http://127.0.0.1:$port/|" | $LEAT fetch --body base64 --concurrency 20 --retry 2 > r; echo $?
            python3 -c "
            import json, base64
            rows = [json.loads(l) for l in open('r')]
            same = sum(base64.b64decode(x['body_base64']) == open('www/' + x['url'].rsplit('/', 1)[1], 'rb').read() for x in rows)
            print(len(rows), same)"
            $LEAT fetch http://127.0.0.1:$port/ http://127.0.0.1:$port/none --body none | grep -c '"status":200\\|"status":404'
            """
        )
        #expect(result.output == "0\n301 301\n2\n")
    }

    @Test(.enabled(if: ChildProgram.isInstalled("python3"), "python3 is not installed"))
    func pythonsServerIsUnderstood() {
        let result = ChildProgram.shell(
            """
            d=$(mktemp -d); cd $d; trap 'kill $p 2>/dev/null; wait $p 2>/dev/null; rm -rf $d' EXIT; printf hello > a.txt
            python3 -u -m http.server 0 --bind 127.0.0.1 > out 2>/dev/null & p=$!
            for i in $(seq 100); do grep -q Serving out && break; sleep 0.05; done
            port=$(sed 's/.*port \\([0-9]*\\) .*/\\1/' out)
            for i in $(seq 20); do echo http://127.0.0.1:$port/a.txt; done | $LEAT fetch | grep -c '"status":200.*"body":"hello"'
            """
        )
        #expect(result.output == "20\n")
    }

    @Test func curlReachesAUnixSocketWhoseFileGoesWithTheServer() {
        let result = ChildProgram.shell(
            """
            d=$(mktemp -d); cd $d; trap 'kill $p 2>/dev/null; wait $p 2>/dev/null; rm -rf $d' EXIT
            serve() {
                $LEAT serve --echo --unix s > out & p=$!
                for i in $(seq 100); do grep -q listening out && break; sleep 0.05; done; cat out
            }
            serve; curl -s --unix-socket s http://docker.test/v1?x | grep -c '"target":"/v1?x".*"Host","docker.test"'
            $LEAT serve --echo --unix s 2>/dev/null; echo again $?
            kill -KILL $p; wait $p 2>/dev/null; ls; rm out; serve; curl -s --unix-socket s http://x/ | grep -c '"x"'
            kill -TERM $p; wait $p; echo ended $?; ls
            """
        )
        let said = "listening on s\n1\n"
        #expect(result.output == "\(said)again 1\nout\ns\n\(said)ended 0\nout\n")
    }

    @Test(.enabled(if: ChildProgram.isInstalled("python3"), "python3 is not installed"))
    func pythonsServerIsReachedAtAUnixSocket() {
        let result = ChildProgram.shell(
            """
            d=$(mktemp -d); cd $d; trap 'kill $p 2>/dev/null; wait $p 2>/dev/null; rm -rf $d' EXIT
            cat > server.py <<'X'
            import http.server, socketserver
            class Handler(http.server.BaseHTTPRequestHandler):
                protocol_version = "HTTP/1.1"
                def do_GET(self):
                    body = (self.headers["Host"] + self.path).encode()
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                def address_string(self): return "unix"
                def log_message(self, *args): pass
            class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
                request_queue_size = 1
            Server("s", Handler).serve_forever()
            X
            python3 server.py & p=$!
            for i in $(seq 100); do [ -S s ] && break; sleep 0.05; done; sleep 0.1
            for i in $(seq 100); do echo http://docker.test/$i; done | $LEAT fetch --unix s --concurrency 50 > r; echo $?
            grep -c '"status":200.*"body":"docker.test/[0-9]*"' r
            """
        )
        #expect(result.output == "0\n100\n")
    }

    /// The server answers with the target and the fields of what it is sent, as a proxy is sent them.
    @Test func theProxyIsTheOneOfTheEnvironment() {
        let result = ChildProgram.serving(
            "--echo",
            """
            bare=${URL#http://}
            said() { tr -d '\\\\"' | grep -o 'target:[^,]*'; }
            http_proxy=$bare $LEAT fetch http://a.test/x | said
            HTTP_PROXY=$bare $LEAT fetch http://127.0.0.1:1/x | grep -c '"error":"connect: '
            http_proxy=127.0.0.1:1 no_proxy=127.0.0.0/8 $LEAT fetch $URL/direct | said
            http_proxy=127.0.0.1:1 $LEAT fetch --proxy http://$bare http://a.test/given | said
            http_proxy=127.0.0.1:1 $LEAT fetch --proxy none $URL/none | said
            http_proxy=ada:secret@$bare $LEAT fetch http://a.test/ | grep -c 'Proxy-Authorization.*Basic YWRhOnNlY3JldA=='
            all_proxy=socks5://ada:secret@p $LEAT fetch $URL/x 2>&1; echo $?
            """
        )
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(
            lines == [
                "target:http://a.test/x", "1", "target:/direct", "target:http://a.test/given", "target:/none", "1",
                "leat: all_proxy: invalid proxy URL: socks5 proxies are not supported, only http", "2",
            ]
        )
    }
}
