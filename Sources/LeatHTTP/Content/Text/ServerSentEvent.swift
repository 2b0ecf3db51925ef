/// An event of a `text/event-stream` (WHATWG HTML §9.2, “Server-sent events”).
public struct ServerSentEvent: Hashable, Sendable {
    /// The type of the event: `message` unless the server named another.
    public var event: String
    /// The data; several `data` lines are joined with LF.
    public var data: String
    /// The last identifier in the stream so far, this event's own or an earlier one's; empty if there was none. It goes into
    /// the field `Last-Event-ID` of a request that resumes the stream.
    public var id: String
    /// How long to wait before connecting again, as the server last said, with this event or before; nil if it did not.
    public var retry: Duration?

    /// Makes an event.
    public init(event: String = "message", data: String, id: String = "", retry: Duration? = nil) {
        self.event = event
        self.data = data
        self.id = id
        self.retry = retry
    }
}

/// Puts events together from the lines of an event stream (WHATWG HTML §9.2.6).
struct ServerSentEventParser {
    private let maximumEvent: Int
    private var isFirstLine = true
    private var data: [UInt8] = []
    private var event = ""
    private var id = ""
    private var retry: Duration?
    /// Bytes of the lines of the event that is being received, comments aside.
    private var size = 0

    init(maximumEvent: Int) {
        self.maximumEvent = maximumEvent
    }

    /// Takes a line, and returns the event that it completes. Throws ``HTTPError`` of kind `.eventTooLarge`.
    mutating func take(_ line: ArraySlice<UInt8>) throws(HTTPError) -> ServerSentEvent? {
        var line = line
        if isFirstLine {
            isFirstLine = false
            if line.starts(with: [0xEF, 0xBB, 0xBF]) { line = line.dropFirst(3) }
        }
        if line.isEmpty { return dispatch() }
        guard let colon = line.firstIndex(of: ASCII.colon) else {
            try takeField(line, value: [])
            return nil
        }
        // A comment, usually sent to keep the connection from being idle.
        if colon == line.startIndex { return nil }
        var value = line[(colon + 1)...]
        if value.first == ASCII.space { value = value.dropFirst() }
        try takeField(line[..<colon], value: value)
        return nil
    }

    private mutating func takeField(_ name: ArraySlice<UInt8>, value: ArraySlice<UInt8>) throws(HTTPError) {
        size += name.count + value.count + 1
        guard size <= maximumEvent else {
            throw HTTPError(.eventTooLarge, "a server-sent event has more than \(maximumEvent) bytes")
        }
        // Names are compared exactly; fields with others are ignored.
        if name.elementsEqual("data".utf8) {
            data += value
            data.append(ASCII.lineFeed)
        } else if name.elementsEqual("event".utf8) {
            event = String(decoding: value, as: UTF8.self)
        } else if name.elementsEqual("id".utf8) {
            if !value.contains(0) { id = String(decoding: value, as: UTF8.self) }
        } else if name.elementsEqual("retry".utf8) {
            let milliseconds = value.withUnsafeBytes { bytes in
                bytes.baseAddress.flatMap { ASCII.decimal($0, bytes.count) }
            }
            if let milliseconds { retry = .milliseconds(milliseconds) }
        }
    }

    /// An empty line: the event is complete, if it has data. The identifier and the delay stay in force.
    private mutating func dispatch() -> ServerSentEvent? {
        defer {
            data.removeAll(keepingCapacity: data.capacity <= 4096)
            event = ""
            size = 0
        }
        guard !data.isEmpty else { return nil }
        return ServerSentEvent(
            event: event.isEmpty ? "message" : event,
            data: String(decoding: data.dropLast(), as: UTF8.self),
            id: id,
            retry: retry
        )
    }
}
