extension HTTPBodyReader {
    /// The body as server-sent events (WHATWG HTML §9.2), as they arrive. The caller checks that the response has status 200
    /// and the type `text/event-stream`, and connects again when the stream has ended.
    ///
    /// ```swift
    /// for try await event in body.serverSentEvents() { print(event.event, event.data) }
    /// ```
    ///
    /// Comments are skipped, unknown fields ignored, and an event that the end of the body cuts off is dropped, as the
    /// standard says. Servers may be silent for longer than a client's `readTimeout`, which then ends the stream.
    ///
    /// - Parameter maximumEvent: The largest event, and the longest line, that is accepted, in bytes. Default 1 MiB. More
    ///   ends the sequence with ``HTTPError`` of kind `.eventTooLarge` or `.lineTooLong`.
    public func serverSentEvents(upTo maximumEvent: Int = 1 << 20) -> ServerSentEvents {
        ServerSentEvents(reader: self, maximumEvent: maximumEvent)
    }

    /// The events in a body; see ``HTTPBodyReader/serverSentEvents(upTo:)``. It takes from the body, so it is good for one
    /// iteration.
    public struct ServerSentEvents: AsyncSequence {
        fileprivate let reader: HTTPBodyReader
        fileprivate let maximumEvent: Int

        public func makeAsyncIterator() -> Iterator {
            Iterator(
                lines: BodyLineReader(reader, maximumLine: maximumEvent),
                parser: ServerSentEventParser(maximumEvent: maximumEvent)
            )
        }

        /// Iterates over the events in a body.
        public struct Iterator: AsyncIteratorProtocol {
            fileprivate var lines: BodyLineReader
            fileprivate var parser: ServerSentEventParser

            /// The next event; nil after the last one, or after an error. Throws ``HTTPError``, of kind `.eventTooLarge` or
            /// `.lineTooLong` or as ``HTTPBodyReader/read()`` does, or `CancellationError`.
            public mutating func next() async throws -> ServerSentEvent? {
                try await lines.next { try parser.take($0) }
            }
        }
    }
}
