import LeatHTTP
import Testing

/// Server-sent events, by the examples of the WHATWG's standard.
@Suite(.timeLimit(.minutes(5)))
struct CodingEventsTests {
    struct Stream: Sendable {
        var text: String
        var events: [ServerSentEvent]
    }

    static let streams: [Stream] = [
        // The examples of §9.2.6.
        Stream(text: "data: YHOO\ndata: +2\ndata: 10\n\n", events: [ServerSentEvent(data: "YHOO\n+2\n10")]),
        Stream(
            text: ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
            events: [ServerSentEvent(data: "first event", id: "1"), ServerSentEvent(data: "second event")]
        ),
        Stream(
            text: "data\n\ndata\ndata\n\ndata:",
            events: [ServerSentEvent(data: ""), ServerSentEvent(data: "\n")]
        ),
        Stream(
            text: "data:test\n\ndata: test\n\n",
            events: [ServerSentEvent(data: "test"), ServerSentEvent(data: "test")]
        ),
        // The introduction's.
        Stream(
            text: "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n",
            events: [
                ServerSentEvent(event: "add", data: "73857293"), ServerSentEvent(event: "remove", data: "2153"),
                ServerSentEvent(event: "add", data: "113411"),
            ]
        ),
        // A byte order mark counts once, at the beginning.
        Stream(text: "\u{FEFF}data: a\n\n\u{FEFF}data: b\n\n", events: [ServerSentEvent(data: "a")]),
        // Ends of lines of all kinds.
        Stream(
            text: "data: a\rdata: b\r\n\rdata: c\r\n\r\ndata: d\n\r",
            events: [
                ServerSentEvent(data: "a\nb"), ServerSentEvent(data: "c"), ServerSentEvent(data: "d"),
            ]
        ),
        // An event without data is none, but its identifier and delay stay; a type does not.
        Stream(
            text: "event: a\nid: 7\nretry: 1500\n\ndata: x\n\n",
            events: [
                ServerSentEvent(data: "x", id: "7", retry: .milliseconds(1500))
            ]
        ),
        // The last type counts; an empty one is none.
        Stream(
            text: "event: a\nevent: b\ndata: 1\n\nevent: a\nevent\ndata: 2\n\n",
            events: [
                ServerSentEvent(event: "b", data: "1"), ServerSentEvent(data: "2"),
            ]
        ),
        // What is not a number, or too large a one, is no delay; NUL makes no identifier.
        Stream(
            text: "retry: 1 s\nretry: -1\nretry:\nretry: 99999999999999999999\nid: a\0b\ndata: x\n\n",
            events: [
                ServerSentEvent(data: "x")
            ]
        ),
        // Names are exact, and unknown ones ignored.
        Stream(text: "Data: a\n data: b\nfoo: c\ndata : d\ndata: e:f\n\n", events: [ServerSentEvent(data: "e:f")]),
        // Empty lines and comments make no events.
        Stream(text: "\n\n:\n: hi\n\n\ndata: größer\n:\n\n\n\n", events: [ServerSentEvent(data: "größer")]),
        Stream(text: "", events: []),
    ]

    private func events(_ pieces: [[UInt8]], upTo maximum: Int = 1 << 20) async throws -> [ServerSentEvent] {
        try await withBody(pieces) { _, body in
            var events: [ServerSentEvent] = []
            for try await event in body.serverSentEvents(upTo: maximum) { events.append(event) }
            return events
        }
    }

    @Test(arguments: streams.indices)
    func everySplitGivesTheSameEvents(stream: Int) throws {
        let stream = Self.streams[stream]
        try runHTTPLoop {
            for pieces in splits(of: Array(stream.text.utf8)) {
                let events = try await events(pieces)
                #expect(events == stream.events, "\(pieces)")
            }
        }
    }

    @Test func illFormedTextIsRepaired() throws {
        try runHTTPLoop {
            let events = try await events([
                Array("event: ".utf8) + [0xFF, 0x0A] + Array("data: ".utf8) + [0xE2, 0x0A, 0x0A]
            ])
            #expect(events == [ServerSentEvent(event: "\u{FFFD}", data: "\u{FFFD}")])
        }
    }

    @Test func anEventIsThereAsSoonAsItsLastLineEndIs() throws {
        // Also if that is a CR, which an LF might follow; or compressed and flushed, with the stream going on.
        let plain = ["data: 1\r\r", "\ndata: 2\r\r"].map { Array($0.utf8) }
        let coded = [
            hex("1f8b08000000000002034a492c49b45230e4e202000000ffff"), hex("4b01338cb8b800062d008f12000000"),
        ]
        for (pieces, fields) in [(plain, ""), (coded, "Content-Encoding: gzip\r\n")] {
            try runHTTPLoop {
                try await withBody(pieces, fields: fields) { _, body in
                    var iterator = body.serverSentEvents().makeAsyncIterator()
                    let first = try await iterator.next()
                    #expect(first?.data == "1")
                    // The second piece has not been taken: it is what reading gives.
                    let rest = try await body.collect(upTo: 100)
                    #expect(String(decoding: rest, as: UTF8.self).contains("data: 2"))
                }
            }
        }
    }

    @Test func anEventThatIsTooLargeIsAnError() throws {
        try runHTTPLoop {
            let text = "data: 34\ndata: 34\n\n: a comment\ndata: 3456\ndata: 3456\n\n"
            // The longest event has 18 bytes without the ends of lines and the space after the colon.
            let events = try await events([Array(text.utf8)], upTo: 18)
            #expect(events.count == 2)
            for pieces in splits(of: Array(text.utf8)) {
                await #expect {
                    _ = try await self.events(pieces, upTo: 17)
                } throws: {
                    ($0 as? HTTPError)?.kind == .eventTooLarge
                }
            }
        }
    }

    @Test func manyEventsAreNotOneLargeEvent() throws {
        try runHTTPLoop {
            let text = String(repeating: "data: 1234\n\n", count: 1000)
            let events = try await events([Array(text.utf8)], upTo: 10)
            #expect(events.count == 1000)
        }
    }

    @Test func anEndlessLineIsAnError() throws {
        try runHTTPLoop {
            await #expect {
                _ = try await self.events([[UInt8](repeating: 0x3A, count: 2000)], upTo: 1000)
            } throws: {
                ($0 as? HTTPError)?.kind == .lineTooLong
            }
        }
    }
}
