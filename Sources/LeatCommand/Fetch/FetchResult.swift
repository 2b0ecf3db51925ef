import CommandKit
import Leat

/// What became of one request: a line of output.
struct FetchResult: Sendable {
    var id: JSON
    var url: String?
    var status: Int?
    var attempts: Int
    var seconds: Double
    var body: [UInt8] = []
    var error: String?

    /// What every line begins with.
    static let beginning = Array(#"{"id":"#.utf8)

    /// The line, without its end.
    func line(bodyForm: FetchOptions.BodyForm) -> [UInt8] {
        var members: [(name: String, value: JSON)] = [
            ("id", id),
            ("url", url.map { .string($0) } ?? .null),
            ("status", status.map { .integer($0) } ?? .null),
            ("attempts", .integer(attempts)),
            ("bytes", .integer(body.count)),
            ("seconds", .number(Self.decimal(seconds))),
        ]
        if let error {
            members.append(("error", .string(error)))
        } else if let member = bodyMember(bodyForm) {
            members.append(member)
        }
        return JSON.object(members).bytes
    }

    private func bodyMember(_ form: FetchOptions.BodyForm) -> (name: String, value: JSON)? {
        switch form {
        case .none: return nil
        case .text:
            guard let text = String(validating: body, as: UTF8.self) else { fallthrough }
            return ("body", .string(text))
        case .base64: return ("body_base64", .string(Base64.encode(body)))
        }
    }

    /// Six digits after the point.
    private static func decimal(_ seconds: Double) -> String {
        let microseconds = Int((seconds * 1e6).rounded())
        let fraction = String(microseconds % 1_000_000)
        return "\(microseconds / 1_000_000)." + String(repeating: "0", count: 6 - fraction.count) + fraction
    }
}
