import CFloor

/// What each connection does before it is idle.
enum IdleUse: String, CaseIterable {
    case get
    case chunked
    case upload
    case events

    var title: String {
        switch self {
        case .get: "a GET of 13 bytes"
        case .chunked: "a GET of 1 MiB, in chunks"
        case .upload: "a POST of 1 MiB"
        case .events: "a stream of \(FLOOR_EVENTS) events"
        }
    }

    var path: String { self == .get ? "/" : "/" + rawValue }

    /// How many bytes are posted; 0 for a GET.
    var uploadBytes: Int { self == .upload ? Int(FLOOR_LONG_BODY) : 0 }

    /// How many bytes the body of the answer has.
    var answerBytes: Int {
        switch self {
        case .get, .upload: 13
        case .chunked: Int(FLOOR_LONG_BODY)
        case .events: Int(FLOOR_EVENTS) * FLOOR_EVENT.utf8.count
        }
    }

    /// nginx has no events of its own.
    var isKnownToNginx: Bool { self != .events }
}
