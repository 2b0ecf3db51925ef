import CommandKit
import Leat
import LeatHTTP

/// What `leat fetch` was asked to do.
struct FetchOptions: Sendable {
    enum BodyForm: String {
        case text, base64, none
    }

    var urls: [String] = []
    var concurrency = 50
    /// Requests under way to one host.
    var perHost: Int?
    var retries = 0
    /// Requests a second, retries included.
    var rate: Double?
    var timeout = Duration.seconds(60)
    var headerFields = HTTPFields()
    var maximumBody = 64 << 20
    var bodyForm = BodyForm.text
    /// Whether compressed responses are asked for, and decompressed.
    var compressed = false
    var trustRoots = TLSConfiguration.TrustRoots.system
    var proxy = HTTPProxyConfiguration.none
    /// Where all requests go, whatever their hosts.
    var unixSocket: SocketAddress?
    /// Failed requests after which the run ends.
    var maximumErrors: Int?
    /// The file of `--resume`.
    var journal: String?
    /// The file of `--save-remaining`.
    var remaining: String?
    var shard: Shard?
    /// The variable that `--shard auto` found the shard in.
    var shardSource: String?

    /// `--shard auto`, until the environment was looked at.
    private var detectsShard = false
    /// What `--shards` says.
    private var shardCount: Int?
    /// What `--proxy` says.
    private var proxyURL: String?

    init() {}

    /// `environment` gives the value of a variable; `--shard auto` asks, and the choice of a proxy.
    init(
        parsing words: some Sequence<String>,
        environment: @escaping (String) -> String? = { _ in nil }
    ) throws(UsageError) {
        var arguments = Arguments(words)
        while let word = try arguments.next() {
            switch word {
            case .operand(let url): urls.append(url)
            case .option(let option): try take(option, from: &arguments)
            }
        }
        guard urls.count <= 1 || !urls.contains("-") else {
            throw UsageError("'-' (standard input) stands alone, not beside URLs")
        }
        if detectsShard {
            (shard, shardSource) = try ShardDetection.detect(in: environment, count: shardCount)
        } else if shardCount != nil {
            throw UsageError("--shards goes with --shard auto; without, --shard takes I/N")
        }
        proxy = try Self.proxy(proxyURL, environment)
    }

    /// Whether the requests come from standard input.
    var readsInput: Bool { urls.isEmpty || urls == ["-"] }

    private mutating func take(_ option: String, from arguments: inout Arguments) throws(UsageError) {
        switch option {
        case "--concurrency", "-c": concurrency = try arguments.number(of: option, in: 1...100_000)
        case "--per-host": perHost = try arguments.number(of: option, in: 1...100_000)
        case "--retry": retries = try arguments.number(of: option, in: 0...100)
        case "--rate": rate = try Self.rate(try arguments.value(of: option))
        case "--timeout": timeout = try arguments.duration(of: option)
        case "--max-body": maximumBody = try arguments.size(of: option)
        case "--header", "-H": headerFields.append(try Self.field(try arguments.value(of: option)))
        case "--compressed": compressed = true
        case "--cacert": trustRoots = .file(try arguments.readableFile(of: option))
        case "--proxy": proxyURL = try arguments.value(of: option)
        case "--unix":
            let path = try arguments.value(of: option)
            do throws(NetworkError) {
                unixSocket = try .unix(path: path)
            } catch {
                throw UsageError("--unix: \(error)")
            }
        case "--max-errors": maximumErrors = try arguments.number(of: option, in: 1...Int.max)
        case "--resume": journal = try arguments.value(of: option)
        case "--save-remaining": remaining = try arguments.value(of: option)
        case "--shards": shardCount = try arguments.number(of: option, in: 1...Shard.maximumCount)
        case "--shard":
            let text = try arguments.value(of: option)
            detectsShard = text == "auto"
            shard = detectsShard ? nil : try Shard(parsing: text)
        case "--body":
            let form = try arguments.value(of: option)
            guard let form = BodyForm(rawValue: form) else {
                throw UsageError("--body takes text, base64 or none, not '\(form)'")
            }
            bodyForm = form
        default: throw UsageError("there is no option '\(option)'; see 'leat fetch --help'")
        }
    }

    /// The one that was given, or what the environment says; `no_proxy` counts in both cases.
    private static func proxy(
        _ url: String?,
        _ environment: (String) -> String?
    ) throws(UsageError) -> HTTPProxyConfiguration {
        if url == "none" { return .none }
        do throws(HTTPError) {
            guard let url else { return try HTTPProxyConfiguration(environment: environment) }
            return .via(try HTTPProxy(parsing: url), except: NoProxyList(environment: environment))
        } catch {
            throw UsageError("\(url == nil ? "" : "--proxy: ")\(error.message)")
        }
    }

    /// `10`, `10/s`, `600/m` or `3600/h`.
    private static func rate(_ text: String) throws(UsageError) -> Double {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let units: [Substring: Double] = ["s": 1, "m": 60, "h": 3600]
        guard parts.count <= 2, let count = Double(parts[0]), let seconds = units[parts.count == 2 ? parts[1] : "s"],
            count > 0, count / seconds <= 1e6, count / seconds >= 1e-6
        else { throw UsageError("--rate takes requests a second, or such as 600/m or 3600/h, not '\(text)'") }
        return count / seconds
    }

    private static func field(_ text: String) throws(UsageError) -> HTTPField {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let name = HTTPField.Name(String(parts[0])) else {
            throw UsageError("--header takes 'Name: value', not '\(text)'")
        }
        let value = parts[1].drop { $0 == " " || $0 == "\t" }
        guard HTTPField.isValidValue(String(value)) else {
            throw UsageError("the value of --header '\(parts[0])' contains a control character")
        }
        return HTTPField(name: name, value: String(value))
    }
}
