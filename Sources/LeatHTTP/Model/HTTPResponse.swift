/// The head of a response: everything but its body (RFC 9110 §3.4).
public struct HTTPResponse: Hashable, Sendable {
    /// The status.
    public var status: Status

    /// The header fields.
    public var headerFields: HTTPFields

    /// Makes a response head. Nothing is checked before it is sent.
    public init(status: Status, headerFields: HTTPFields = [:]) {
        self.status = status
        self.headerFields = headerFields
    }
}

extension HTTPResponse {
    /// A status code with its reason phrase (RFC 9110 §15). Two statuses are equal if their codes are.
    public struct Status: Sendable, CustomStringConvertible, ExpressibleByIntegerLiteral {
        /// The code, for example 404. Only 100 to 999 can be sent or received; RFC 9110 defines 100 to 599.
        public var code: Int

        /// A phrase that is not the usual one of the code. An object, since nearly every status has the usual phrase, and a
        /// status is copied with every response.
        private final class Phrase: Sendable {
            let text: String

            init(_ text: String) { self.text = text }

            /// Some servers leave the phrase out of every response.
            static let empty = Phrase("")
        }

        /// Nil for the usual phrase of the code.
        private var phrase: Phrase?

        /// The text after the code, for people only; may be empty. It follows ``code`` unless it was set to another text than the
        /// usual one.
        public var reasonPhrase: String {
            get { phrase?.text ?? Self.standardReasonPhrase(for: code) }
            set { phrase = Self.phrase(newValue, for: code) }
        }

        /// Makes a status.
        ///
        /// - Parameters:
        ///   - code: The code; one outside 100 to 999 is refused when it is sent.
        ///   - reasonPhrase: The text after the code; nil stands for the usual one, or for no text if there is none.
        public init(code: Int, reasonPhrase: String? = nil) {
            self.code = code
            if let reasonPhrase { phrase = Self.phrase(reasonPhrase, for: code) }
        }

        /// Whether the phrase is the usual one of the code, and so is known to be valid.
        package var hasUsualPhrase: Bool { phrase == nil }

        private static func phrase(_ text: String, for code: Int) -> Phrase? {
            let usual = standardReasonPhrase(for: code)
            // Strings of the same length, too: some characters outside of ASCII are equal to an ASCII one.
            if text == usual, text.utf8.count == usual.utf8.count { return nil }
            return text.isEmpty ? .empty : Phrase(text)
        }

        /// Makes a status with the usual reason phrase.
        public init(integerLiteral code: Int) {
            self.init(code: code)
        }

        /// The code and the reason phrase, for example `404 Not Found`.
        public var description: String {
            reasonPhrase.isEmpty ? "\(code)" : "\(code) \(reasonPhrase)"
        }

        /// The class of the status, by the first digit of the code.
        public var kind: Kind {
            switch code {
            case 100...199: .informational
            case 200...299: .successful
            case 300...399: .redirection
            case 400...499: .clientError
            case 500...599: .serverError
            default: .invalid
            }
        }

        /// The classes of status codes (RFC 9110 §15).
        public enum Kind: Hashable, Sendable {
            /// 100 to 199: the final response is still to come.
            case informational
            /// 200 to 299.
            case successful
            /// 300 to 399.
            case redirection
            /// 400 to 499.
            case clientError
            /// 500 to 599.
            case serverError
            /// Outside 100 to 599; a client treats it as a 5xx (RFC 9110 §15).
            case invalid
        }
    }
}

extension HTTPResponse.Status: Hashable {
    public static func == (left: Self, right: Self) -> Bool { left.code == right.code }

    public func hash(into hasher: inout Hasher) { hasher.combine(code) }
}
