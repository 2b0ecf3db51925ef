// Access to the bytes of the fields, for the parser, the encoder, the client and the server.

extension HTTPFields {
    /// The index of the first field named `name` at or after `start`.
    package func firstIndex(of name: HTTPField.Name, from start: Int = 0) -> Int? {
        guard start < entries.count else { return nil }
        return name.withBytes { name in
            bytes.withUnsafeBytes { bytes in
                for index in start..<entries.count {
                    let entry = entries[index]
                    guard Int(entry.nameLength) == name.count else { continue }
                    let candidate = bytes.baseAddress! + Int(entry.nameStart)
                    if ASCII.equalsIgnoringCase(candidate, name.baseAddress!, name.count) { return index }
                }
                return nil
            }
        }
    }

    /// How many fields are named `name`.
    package func count(of name: HTTPField.Name) -> Int {
        var count = 0
        var next = firstIndex(of: name)
        while let index = next {
            count += 1
            next = firstIndex(of: name, from: index + 1)
        }
        return count
    }

    /// Calls `body` with the bytes of the first value of `name`; nil if there is no such field.
    package func withValueBytes<Result>(
        of name: HTTPField.Name,
        _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result? {
        guard let index = firstIndex(of: name) else { return nil }
        return withRawField(at: index) { _, value in body(value) }
    }

    /// Whether a comma-separated list field such as `Connection` names `token`, an ASCII literal, in any case.
    package func contains(token: StaticString, in name: HTTPField.Name) -> Bool {
        var found = false
        var next = firstIndex(of: name)
        while let index = next, !found {
            withRawField(at: index) { _, value in
                ASCII.forEachListElement(value.baseAddress!, value.count) { element, count in
                    if ASCII.equalsIgnoringCase(element, count, token) { found = true }
                }
            }
            next = firstIndex(of: name, from: index + 1)
        }
        return found
    }

    /// Calls `body` with the bytes of the name and of the value of each field, in order.
    package func forEachRawField(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
        for index in entries.indices { withRawField(at: index, body) }
    }

    /// Calls `body` with the bytes of the name and of the value at `index`. Neither base address is nil.
    @inline(__always)
    package func withRawField<Result>(
        at index: Int,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Result
    ) -> Result {
        let entry = entries[index]
        return bytes.withUnsafeBytes { bytes in
            let start = bytes.baseAddress!
            return body(
                UnsafeRawBufferPointer(start: start + Int(entry.nameStart), count: Int(entry.nameLength)),
                UnsafeRawBufferPointer(start: start + Int(entry.valueStart), count: Int(entry.valueLength))
            )
        }
    }

    /// Adds a field whose name is known to be a token. The value is checked when it is sent.
    package mutating func appendRaw(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        let start = bytes.count
        let end = start + name.count + value.count + 4
        let valueStart = end - value.count - 2
        // Most collections end with a few short fields: one step of growth, not one for each part.
        if bytes.capacity < end { bytes.reserveCapacity(Swift.max(2 * bytes.capacity, end, 120)) }
        bytes.append(contentsOf: name)
        bytes.append(ASCII.colon)
        bytes.append(ASCII.space)
        bytes.append(contentsOf: value)
        bytes.append(ASCII.carriageReturn)
        bytes.append(ASCII.lineFeed)
        if entries.capacity == 0 { entries.reserveCapacity(6) }
        precondition(bytes.count <= UInt32.max, "HTTP fields of 4 GiB or more")
        entries.append(
            Entry(
                nameStart: UInt32(start),
                nameLength: UInt32(name.count),
                valueStart: UInt32(valueStart),
                valueLength: UInt32(value.count)
            )
        )
    }

    /// Prepares for `bytes` bytes of wire form and `fields` fields, so that both arrays grow once.
    package mutating func reserve(bytes byteCount: Int, fields: Int) {
        bytes.reserveCapacity(byteCount)
        entries.reserveCapacity(fields)
    }

    mutating func append(name: HTTPField.Name, value: String) {
        name.withBytes { name in
            value.withBytes { appendRaw(name: name, value: $0) }
        }
    }

    func matches(_ name: HTTPField.Name, at index: Int) -> Bool {
        name.withBytes { name in
            withRawField(at: index) { candidate, _ in
                candidate.count == name.count
                    && ASCII.equalsIgnoringCase(candidate.baseAddress!, name.baseAddress!, name.count)
            }
        }
    }

    func name(at index: Int) -> HTTPField.Name {
        withRawField(at: index) { name, _ in HTTPField.Name(unchecked: String(decoding: name, as: UTF8.self)) }
    }

    func value(at index: Int) -> String {
        withRawField(at: index) { _, value in String(decoding: value, as: UTF8.self) }
    }
}
