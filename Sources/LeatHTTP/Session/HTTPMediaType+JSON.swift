extension HTTPMediaType {
    /// `application/json` (RFC 8259).
    public static let json = HTTPMediaType("application/json")!

    /// Whether it is a JSON type: `application/json`, `text/json`, or one whose subtype ends with `+json` (WHATWG MIME
    /// Sniffing §4.6; RFC 6839 §3.1).
    public var isJSON: Bool {
        essence == "application/json" || essence == "text/json" || subtype.hasSuffix("+json")
    }
}
