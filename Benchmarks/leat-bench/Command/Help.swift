enum Help {
    static let text = """
        Usage: leat-bench [run] [--quick] [--json] [--rounds N]
               leat-bench VERB [options]

        Without a verb it compares Leat with the floor: the same requests by a bare epoll loop in C, without a runtime.
        Both run in this invocation, in turns (floor, Leat, floor, …), each in a process of its own; a ratio is taken
        against the floors right before and after. It takes about a minute.

          --quick       a few seconds instead, for CI: checks that it works, measures little
          --json        one JSON object instead of the tables
          --rounds N    how often each pair is measured (default 3); tables give the median and the extremes

        Verbs:
          idle          10,000 connections held open by one server, each after a small request, a long answer, an
                        upload or a stream of events: memory of each, and the latency of one active connection with
                        and without them. nginx is measured too, if it is installed. Options: -c N, --quick, --json
          scaling       what a request costs Leat's server, beside the floor, with more busy connections, pipelined
                        requests, header fields and timers. Takes two minutes.
                        Options: --rounds N (default 3), --quick, --json
          timers        a million sleeps, half of them cancelled: memory comes back, none ends early.
                        Options: -n N, --quick, --json
          load URL      GETs over keep-alive connections through Leat's client, as fast as they go. The last line is
                        requests=… seconds=… cpu_user=… cpu_sys=… bytes=…
                        Options: -n REQUESTS (default 100,000), -c CONNECTIONS (default 64), --details,
                        --stream (reads bodies in pieces, instead of collecting them)
          serve         Leat's server: answers every GET with 'Hello, World!'.
                        Options: --port P (default 8080; 0: any), --timers N (sets timers that are far away),
                        --routes (answers /chunked with 1 MiB in chunks, /events with \(LeatServe.eventCount)
                        events, and drops what is posted to /upload)
          micro CASE    one of \(MicroWorkload.names); prints one line of figures
          help          this text

        Colour is used on a terminal only, and not if NO_COLOR is set.
        """
}
