// Computed, not stored: a literal needs no allocation and no one-time initialisation, so a look-up by one of these
// names costs a comparison of lengths and bytes.
extension HTTPField.Name {
    /// `Accept`.
    public static var accept: Self { Self(unchecked: "Accept") }

    /// `Accept-Charset`.
    public static var acceptCharset: Self { Self(unchecked: "Accept-Charset") }

    /// `Accept-Encoding`.
    public static var acceptEncoding: Self { Self(unchecked: "Accept-Encoding") }

    /// `Accept-Language`.
    public static var acceptLanguage: Self { Self(unchecked: "Accept-Language") }

    /// `Accept-Ranges`.
    public static var acceptRanges: Self { Self(unchecked: "Accept-Ranges") }

    /// `Access-Control-Allow-Credentials`.
    public static var accessControlAllowCredentials: Self { Self(unchecked: "Access-Control-Allow-Credentials") }

    /// `Access-Control-Allow-Headers`.
    public static var accessControlAllowHeaders: Self { Self(unchecked: "Access-Control-Allow-Headers") }

    /// `Access-Control-Allow-Methods`.
    public static var accessControlAllowMethods: Self { Self(unchecked: "Access-Control-Allow-Methods") }

    /// `Access-Control-Allow-Origin`.
    public static var accessControlAllowOrigin: Self { Self(unchecked: "Access-Control-Allow-Origin") }

    /// `Access-Control-Expose-Headers`.
    public static var accessControlExposeHeaders: Self { Self(unchecked: "Access-Control-Expose-Headers") }

    /// `Access-Control-Max-Age`.
    public static var accessControlMaxAge: Self { Self(unchecked: "Access-Control-Max-Age") }

    /// `Access-Control-Request-Headers`.
    public static var accessControlRequestHeaders: Self { Self(unchecked: "Access-Control-Request-Headers") }

    /// `Access-Control-Request-Method`.
    public static var accessControlRequestMethod: Self { Self(unchecked: "Access-Control-Request-Method") }

    /// `Age`.
    public static var age: Self { Self(unchecked: "Age") }

    /// `Allow`.
    public static var allow: Self { Self(unchecked: "Allow") }

    /// `Alt-Svc`.
    public static var altSvc: Self { Self(unchecked: "Alt-Svc") }

    /// `Authentication-Info`.
    public static var authenticationInfo: Self { Self(unchecked: "Authentication-Info") }

    /// `Authorization`.
    public static var authorization: Self { Self(unchecked: "Authorization") }

    /// `Cache-Control`.
    public static var cacheControl: Self { Self(unchecked: "Cache-Control") }

    /// `Connection`.
    public static var connection: Self { Self(unchecked: "Connection") }

    /// `Content-Disposition`.
    public static var contentDisposition: Self { Self(unchecked: "Content-Disposition") }

    /// `Content-Encoding`.
    public static var contentEncoding: Self { Self(unchecked: "Content-Encoding") }

    /// `Content-Language`.
    public static var contentLanguage: Self { Self(unchecked: "Content-Language") }

    /// `Content-Length`.
    public static var contentLength: Self { Self(unchecked: "Content-Length") }

    /// `Content-Location`.
    public static var contentLocation: Self { Self(unchecked: "Content-Location") }

    /// `Content-Range`.
    public static var contentRange: Self { Self(unchecked: "Content-Range") }

    /// `Content-Security-Policy`.
    public static var contentSecurityPolicy: Self { Self(unchecked: "Content-Security-Policy") }

    /// `Content-Type`.
    public static var contentType: Self { Self(unchecked: "Content-Type") }

    /// `Cookie`.
    public static var cookie: Self { Self(unchecked: "Cookie") }

    /// `Cross-Origin-Resource-Policy`.
    public static var crossOriginResourcePolicy: Self { Self(unchecked: "Cross-Origin-Resource-Policy") }

    /// `Date`.
    public static var date: Self { Self(unchecked: "Date") }

    /// `Early-Data`.
    public static var earlyData: Self { Self(unchecked: "Early-Data") }

    /// `ETag`.
    public static var eTag: Self { Self(unchecked: "ETag") }

    /// `Expect`.
    public static var expect: Self { Self(unchecked: "Expect") }

    /// `Expires`.
    public static var expires: Self { Self(unchecked: "Expires") }

    /// `Forwarded`.
    public static var forwarded: Self { Self(unchecked: "Forwarded") }

    /// `From`.
    public static var from: Self { Self(unchecked: "From") }

    /// `Host`.
    public static var host: Self { Self(unchecked: "Host") }

    /// `If-Match`.
    public static var ifMatch: Self { Self(unchecked: "If-Match") }

    /// `If-Modified-Since`.
    public static var ifModifiedSince: Self { Self(unchecked: "If-Modified-Since") }

    /// `If-None-Match`.
    public static var ifNoneMatch: Self { Self(unchecked: "If-None-Match") }

    /// `If-Range`.
    public static var ifRange: Self { Self(unchecked: "If-Range") }

    /// `If-Unmodified-Since`.
    public static var ifUnmodifiedSince: Self { Self(unchecked: "If-Unmodified-Since") }

    /// `Keep-Alive`.
    public static var keepAlive: Self { Self(unchecked: "Keep-Alive") }

    /// `Last-Modified`.
    public static var lastModified: Self { Self(unchecked: "Last-Modified") }

    /// `Link`.
    public static var link: Self { Self(unchecked: "Link") }

    /// `Location`.
    public static var location: Self { Self(unchecked: "Location") }

    /// `Max-Forwards`.
    public static var maxForwards: Self { Self(unchecked: "Max-Forwards") }

    /// `Origin`.
    public static var origin: Self { Self(unchecked: "Origin") }

    /// `Priority`.
    public static var priority: Self { Self(unchecked: "Priority") }

    /// `Proxy-Authenticate`.
    public static var proxyAuthenticate: Self { Self(unchecked: "Proxy-Authenticate") }

    /// `Proxy-Authentication-Info`.
    public static var proxyAuthenticationInfo: Self { Self(unchecked: "Proxy-Authentication-Info") }

    /// `Proxy-Authorization`.
    public static var proxyAuthorization: Self { Self(unchecked: "Proxy-Authorization") }

    /// `Proxy-Connection`.
    public static var proxyConnection: Self { Self(unchecked: "Proxy-Connection") }

    /// `Range`.
    public static var range: Self { Self(unchecked: "Range") }

    /// `Referer`.
    public static var referer: Self { Self(unchecked: "Referer") }

    /// `Referrer-Policy`.
    public static var referrerPolicy: Self { Self(unchecked: "Referrer-Policy") }

    /// `Retry-After`.
    public static var retryAfter: Self { Self(unchecked: "Retry-After") }

    /// `Sec-WebSocket-Accept`.
    public static var secWebSocketAccept: Self { Self(unchecked: "Sec-WebSocket-Accept") }

    /// `Sec-WebSocket-Extensions`.
    public static var secWebSocketExtensions: Self { Self(unchecked: "Sec-WebSocket-Extensions") }

    /// `Sec-WebSocket-Key`.
    public static var secWebSocketKey: Self { Self(unchecked: "Sec-WebSocket-Key") }

    /// `Sec-WebSocket-Protocol`.
    public static var secWebSocketProtocol: Self { Self(unchecked: "Sec-WebSocket-Protocol") }

    /// `Sec-WebSocket-Version`.
    public static var secWebSocketVersion: Self { Self(unchecked: "Sec-WebSocket-Version") }

    /// `Server`.
    public static var server: Self { Self(unchecked: "Server") }

    /// `Set-Cookie`.
    public static var setCookie: Self { Self(unchecked: "Set-Cookie") }

    /// `Strict-Transport-Security`.
    public static var strictTransportSecurity: Self { Self(unchecked: "Strict-Transport-Security") }

    /// `TE`.
    public static var te: Self { Self(unchecked: "TE") }

    /// `Trailer`.
    public static var trailer: Self { Self(unchecked: "Trailer") }

    /// `Transfer-Encoding`.
    public static var transferEncoding: Self { Self(unchecked: "Transfer-Encoding") }

    /// `Upgrade`.
    public static var upgrade: Self { Self(unchecked: "Upgrade") }

    /// `User-Agent`.
    public static var userAgent: Self { Self(unchecked: "User-Agent") }

    /// `Vary`.
    public static var vary: Self { Self(unchecked: "Vary") }

    /// `Via`.
    public static var via: Self { Self(unchecked: "Via") }

    /// `WWW-Authenticate`.
    public static var wwwAuthenticate: Self { Self(unchecked: "WWW-Authenticate") }

    /// `X-Content-Type-Options`.
    public static var xContentTypeOptions: Self { Self(unchecked: "X-Content-Type-Options") }

    /// `X-Forwarded-For`.
    public static var xForwardedFor: Self { Self(unchecked: "X-Forwarded-For") }

    /// `X-Forwarded-Host`.
    public static var xForwardedHost: Self { Self(unchecked: "X-Forwarded-Host") }

    /// `X-Forwarded-Proto`.
    public static var xForwardedProto: Self { Self(unchecked: "X-Forwarded-Proto") }

    /// `X-Frame-Options`.
    public static var xFrameOptions: Self { Self(unchecked: "X-Frame-Options") }

    /// `X-Request-ID`.
    public static var xRequestID: Self { Self(unchecked: "X-Request-ID") }
}
