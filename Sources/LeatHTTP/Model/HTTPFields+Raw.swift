// Access to the bytes of the fields, for the parser, the encoder, the client and the server.

extension HTTPFields {
    /// The length of all fields in wire form.
    package var byteCount: Int { storage.map { Int($0.counts.byteCount) } ?? 0 }

    /// What a sender has to know of them.
    @inline(__always)
    var traits: HTTPFieldStorage.Traits { storage.map { $0.counts.traits } ?? [] }

    /// Calls `body` with all fields in wire form, `name ": " value CRLF`.
    @inline(__always)
    package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        guard let storage else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return withExtendedLifetime(storage) { body(storage.bytes) }
    }

    /// The index of the first field named `name` at or after `start`.
    package func firstIndex(of name: HTTPField.Name, from start: Int = 0) -> Int? {
        guard let storage, start < count else { return nil }
        return name.withBytes { name in
            (start..<count).first { storage.name(at: $0, equals: name) }
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
        for index in indices { withRawField(at: index, body) }
    }

    /// Calls `body` with the bytes of the name and of the value at `index`. Neither base address is nil.
    @inline(__always)
    package func withRawField<Result>(
        at index: Int,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Result
    ) -> Result {
        guard let storage else { preconditionFailure("there is no such field") }
        return withExtendedLifetime(storage) {
            let entry = storage.entry(at: index)
            let start = storage.bytes.baseAddress!
            return body(
                UnsafeRawBufferPointer(start: start + Int(entry.nameStart), count: Int(entry.nameLength)),
                UnsafeRawBufferPointer(start: start + Int(entry.valueStart), count: Int(entry.valueLength))
            )
        }
    }

    /// Adds a field whose name is known to be a token. The value is checked when it is sent.
    package mutating func appendRaw(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        let bytes = name.count + value.count + 4
        // Most collections end with a few short fields: one step of growth, not one for each.
        if storage == nil {
            reserve(entries: 6, bytes: Swift.max(bytes, 120))
        } else {
            reserve(entries: 1, bytes: bytes)
        }
        storage!.append(name: name, value: value)
    }

    /// Adds fields in wire form, whose entries already count from the start of all octets.
    mutating func append(_ wire: UnsafeRawBufferPointer, _ located: UnsafeBufferPointer<HTTPFieldStorage.Entry>) {
        reserve(entries: located.count, bytes: wire.count)
        storage!.append(wire, located)
    }

    /// Makes room for so much more, in a block that nobody else holds.
    mutating func reserve(entries: Int, bytes: Int) {
        if storage == nil {
            storage = .make(entries: entries, bytes: bytes)
        } else if !isKnownUniquelyReferenced(&storage) || !storage!.hasRoom(entries: entries, bytes: bytes) {
            storage = storage!.copy(forMoreEntries: entries, bytes: bytes)
        }
    }

    mutating func append(name: HTTPField.Name, value: String) {
        name.withBytes { name in
            value.withBytes { appendRaw(name: name, value: $0) }
        }
    }

    func matches(_ name: HTTPField.Name, at index: Int) -> Bool {
        name.withBytes { storage?.name(at: index, equals: $0) ?? false }
    }

    func nameLength(at index: Int) -> Int {
        withRawField(at: index) { name, _ in name.count }
    }

    func name(at index: Int) -> HTTPField.Name {
        withRawField(at: index) { name, _ in HTTPField.Name(unchecked: String(decoding: name, as: UTF8.self)) }
    }

    func value(at index: Int) -> String {
        withRawField(at: index) { _, value in String(decoding: value, as: UTF8.self) }
    }
}
