import LeatReactor

/// The redirects that one request has followed so far.
struct RedirectTrail {
    private let policy: RedirectPolicy
    /// With a cookie that it has set, a server may send a client back to where it came from.
    private let mayReturn: Bool
    private(set) var history: [HTTPRedirect] = []
    private(set) var hasLeftOrigin = false
    private var visited: Set<Visit> = []

    private struct Visit: Hashable {
        let method: HTTPRequest.Method
        let url: HTTPURL
    }

    init(_ configuration: HTTPClient.Configuration) {
        policy = configuration.redirects
        mayReturn = configuration.cookies != nil
    }

    /// The request to go on with after a response that ``RedirectPolicy/leads(_:)`` elsewhere.
    /// Throws ``HTTPError`` of kind `.redirect`.
    mutating func follow(
        _ request: HTTPClientRequest,
        _ status: HTTPResponse.Status,
        _ fields: HTTPFields
    ) throws(HTTPError) -> HTTPClientRequest {
        guard history.count < policy.limit else {
            throw HTTPError(.redirect, "more than \(policy.limit) redirects, the last at \(request.url)")
        }
        visited.insert(Visit(method: request.method, url: request.url))
        let next = try policy.next(after: request, status, fields)
        guard mayReturn || !visited.contains(Visit(method: next.method, url: next.url)) else {
            throw HTTPError(.redirect, "the redirects lead back to \(next.url)")
        }
        history.append(HTTPRedirect(url: request.url, status: status))
        if Origin(next.url) != Origin(request.url) { hasLeftOrigin = true }
        return next
    }
}

extension HTTPClient {
    /// The exchange for a request that was redirected as `trail` tells.
    func exchange(for hop: HTTPClientRequest, _ trail: RedirectTrail, _ times: ExchangeTimes) -> ClientExchange {
        exchange(hop.method, hop.url, hop.headerFields, hop.body, hasLeftOrigin: trail.hasLeftOrigin, times)
    }

    /// The request that a redirect leads to. Throws ``HTTPError`` of kind `.redirect`.
    func next(
        after hop: HTTPClientRequest,
        _ status: HTTPResponse.Status,
        _ fields: HTTPFields,
        _ trail: inout RedirectTrail,
        _ times: ExchangeTimes
    ) throws(HTTPError) -> HTTPClientRequest {
        let next = try trail.follow(hop, status, fields)
        pool.metrics.redirects += 1
        times.observation?.note(.redirected(to: next.url))
        return next
    }

    /// Goes where a response points to, until there is one that does not.
    func follow(
        _ first: HTTPClientResponse,
        of request: HTTPClientRequest,
        upTo maximum: Int,
        _ times: ExchangeTimes
    ) async throws -> HTTPClientResponse {
        var trail = RedirectTrail(configuration)
        var (hop, response, times) = (request, first, times)
        while RedirectPolicy.leads(response.status, response.headerFields) {
            hop = try next(after: hop, response.status, response.headerFields, &trail, times)
            let exchange = exchange(for: hop, trail, times)
            response = try await run(exchange, to: hop.url) { http in try await exchange.collect(http, upTo: maximum) }
            times = exchange.times
        }
        response.history = trail.history
        return response
    }
}
