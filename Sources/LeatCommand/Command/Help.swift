import CommandKit

/// What `--help` prints.
enum Help {
    static let version = "leat 0.1.0"

    static let overview = """
        leat: HTTP from the command line, on one thread

        usage:
          leat fetch [options] [URL ... | -]   request many URLs at once, print a JSON line for each
          leat serve [options] DIR             serve the files of a directory
          leat serve [options] --echo          answer every request with what it said
          leat help [command]                  explain a command
          leat --version
        """

    static let fetch = """
        usage: leat fetch [options] [URL ... | -]

        Requests the URLs given as arguments, or those on standard input, one per line. A line of input may also be a JSON
        object: {"id", "method", "url", "headers", "data" or "body_base64"}; "headers" is an object or a list of
        [name, value] pairs, a request with a body and no method is a POST, and other members are ignored. Input is read as
        it is needed.

        For each request that has finished, in the order in which they finish, a JSON line on standard output:
          {"id", "url", "status", "attempts", "bytes", "seconds", "body" or "body_base64" or "error"}
        A status of 4xx or 5xx is a result, not an error. "id" is the one given, or the number of the line or argument.

        options:
          -c, --concurrency N     requests under way at once (default 50)
          --per-host N            of these, to one host (default: as many)
          --retry N               tries after the first that failed (default 0); see below
          --rate N                requests a second, retries included; or such as 600/m or 3600/h
          --timeout TIME          for each try, such as 30, 1.5, 500ms or 2m (default 60)
          -H, --header 'N: value' a field of every request; can be repeated; a request's own take precedence
          --compressed            ask for compressed responses, and print them decompressed
          --cacert FILE           certificates to trust for https, as PEM, instead of the system's
          --proxy URL             send requests through this HTTP proxy, http://[user:password@]host:port, or 'none'
          --unix PATH             send all requests to this Unix socket, whatever their hosts
          --max-body SIZE         the largest body that is accepted, such as 64K or 10M (default 64M)
          --body text|base64|none how bodies are printed (default text; one that is not UTF-8 is printed as base64)
          --max-errors N          stop after N requests that had no answer
          --resume JOURNAL        append the results to this file, and skip what has one there already; see below
          --save-remaining FILE   at SIGINT or SIGTERM, write the requests that are not finished; see below
          --shard I/N             make the requests whose index, from 0, leaves I when divided by N, and no others
          --shard auto            the same, I and N being what Kubernetes, Slurm, SGE, PBS, AWS Batch or Cloud Run say
          --shards N              with --shard auto: N, where the scheduler does not say it (Kubernetes, PBS)

        A try is repeated after a failure of the network, a time-out, or a status of 408, 429, 500, 502, 503 or 504, if the
        method may be repeated (GET, HEAD, PUT, DELETE, OPTIONS, TRACE); other methods after 429 and 503, and if no
        connection could be made. The wait is random, up to 0.25 s doubled with each try and at most 30 s; Retry-After
        is honoured up to 5 minutes; an answer that asks for more is printed. A request that waits keeps no other waiting.

        --proxy: without it, the environment is asked, as by curl: http_proxy, https_proxy, all_proxy (the latter two also in
        upper case). no_proxy names hosts to reach directly, such as 'localhost,.example.com,10.0.0.0/8'.

        --per-host: a slow host keeps requests to others waiting only if more than 4,096 of its own stand before them.

        --resume: results go to JOURNAL and not to standard output. A request is skipped if the file has a line with its id,
        its URL and a status; one that ended in an error is made again. The numbers that serve as ids hold for the same
        input only: give ids if it may change. A last line without its end, as a crash leaves it, is cut off; another line
        that is no result is an error. One run at a time can use the file.

        --save-remaining: after the first signal no request is begun; those under way have 5 seconds to end. Then FILE, which
        may be the input itself, gets a JSON line for each request without a result, with its id: those read, and the rest of
        the input if that is a file. What is still in a pipe is lost. The same is done when --max-errors ends the run;
        otherwise FILE is not touched. It holds the requests of its own shard: read it without --shard. Further signals
        change nothing.

        exit status: 0 all requests were answered, 1 some were not, 2 the command line, the journal or the shard is wrong
        and nothing was requested, 6 ended by --max-errors, 7 ended by a signal with --save-remaining
        """

    static let serve = """
        usage: leat serve [options] DIR
               leat serve [options] --echo

        Serves the files of DIR, with ranges, Last-Modified and ETag, index.html or a listing for directories, and nothing
        outside of it. Conditional requests are answered with 304 or 412. A listing has the first 10000 names at most. A file
        whose size is said to be 0, as in /proc, is read to its end; if it has content, it has no ranges and no ETag.

        With --echo it answers any method on any path with 200 and a JSON object:
          {"method", "target", "headers": [["name", "value"], ...], "body_base64"}

        options:
          --port N     the port (default 8080; 0 lets the system choose)
          --host IP    the address to listen at (default 127.0.0.1)
          --unix PATH  a Unix socket to listen at instead
          --cert FILE  the certificate chain, as PEM: https is served; needs --key
          --key FILE   the certificate's key, as PEM without a passphrase

        Prints the address once it listens. SIGINT and SIGTERM end it when the requests under way are answered,
        and at once if another comes more than a second later.
        exit status: 0 ended by a signal, 1 it could not listen, 2 the command line is wrong
        """

    static func text(for command: String?) throws(UsageError) -> String {
        switch command {
        case nil: overview
        case "fetch": fetch
        case "serve": serve
        case .some(let other): throw UsageError("there is no command '\(other)'; see 'leat --help'")
        }
    }
}
