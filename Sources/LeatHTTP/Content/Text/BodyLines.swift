extension HTTPBodyReader {
    /// The body as lines of UTF-8 text, as they arrive.
    ///
    /// ```swift
    /// for try await line in body.lines() { print(line) }
    /// ```
    ///
    /// A line ends with LF, CRLF or CR, which are not part of it; what follows the last one is a line too, unless it is
    /// empty. Ill-formed sequences are replaced with U+FFFD.
    ///
    /// - Parameter maximumLine: The longest line that is accepted, in bytes. Default 64 KiB. A longer one ends the sequence
    ///   with ``HTTPError`` of kind `.lineTooLong`, as soon as so many bytes of it have arrived.
    public func lines(upTo maximumLine: Int = 65536) -> Lines {
        Lines(reader: self, maximumLine: maximumLine)
    }

    /// The lines of a body; see ``HTTPBodyReader/lines(upTo:)``. It takes from the body, so it is good for one iteration.
    public struct Lines: AsyncSequence {
        fileprivate let reader: HTTPBodyReader
        fileprivate let maximumLine: Int

        public func makeAsyncIterator() -> Iterator {
            Iterator(lines: BodyLineReader(reader, maximumLine: maximumLine))
        }

        /// Iterates over the lines of a body.
        public struct Iterator: AsyncIteratorProtocol {
            fileprivate var lines: BodyLineReader

            /// The next line; nil after the last one, or after an error. Throws ``HTTPError``, of kind `.lineTooLong` or as
            /// ``HTTPBodyReader/read()`` does, or `CancellationError`.
            public mutating func next() async throws -> String? {
                let line = try await lines.next { $0 } ?? lines.finish()
                return line.map { String(decoding: $0, as: UTF8.self) }
            }
        }
    }
}
