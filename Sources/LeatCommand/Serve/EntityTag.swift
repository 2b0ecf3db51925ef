/// The name of one version of a file's content (RFC 9110 §8.8.3).
struct EntityTag: Equatable, Sendable {
    /// Whether versions with the same tag may differ in bytes.
    var isWeak = false
    /// What stands between the quotation marks.
    let opaque: [UInt8]

    init(strong opaque: String) {
        self.opaque = Array(opaque.utf8)
    }

    /// Takes a tag from the beginning of `field`. Nil if none begins there.
    init?(takenFrom field: inout ArraySlice<UInt8>) {
        isWeak = field.starts(with: "W/".utf8)
        if isWeak { field = field.dropFirst(2) }
        guard field.popFirst() == UInt8(ascii: "\"") else { return nil }
        let text = field.prefix(while: Self.isTagCharacter)
        field = field.dropFirst(text.count)
        guard field.popFirst() == UInt8(ascii: "\"") else { return nil }
        opaque = Array(text)
    }

    /// The tag as it stands in a field.
    var text: String { (isWeak ? "W/\"" : "\"") + String(decoding: opaque, as: UTF8.self) + "\"" }

    /// Whether both name the same bytes: neither is weak (§8.8.3.2).
    func matchesStrongly(_ other: EntityTag) -> Bool { !isWeak && !other.isWeak && opaque == other.opaque }

    /// Whether both name content that means the same (§8.8.3.2).
    func matchesWeakly(_ other: EntityTag) -> Bool { opaque == other.opaque }

    /// A comma is one, and a backslash escapes nothing.
    private static func isTagCharacter(_ byte: UInt8) -> Bool {
        byte == 0x21 || (0x23...0x7E).contains(byte) || byte >= 0x80
    }
}

/// The value of `If-Match` or `If-None-Match` (RFC 9110 §13.1.1, §13.1.2).
enum EntityTagList: Equatable {
    /// `*`: every version.
    case any
    case tags([EntityTag])

    /// Reads a value. One that is not valid is an empty list: it matches nothing.
    init(_ field: String) {
        var rest = Array(field.utf8)[...]
        Self.skipSpace(in: &rest)
        if rest.first == UInt8(ascii: "*") {
            rest = rest.dropFirst()
            Self.skipSpace(in: &rest)
            self = rest.isEmpty ? .any : .tags([])
        } else {
            self = .tags(Self.tags(in: rest) ?? [])
        }
    }

    /// Whether `isMatch` holds for one of the tags. It always does for `*`.
    func contains(where isMatch: (EntityTag) -> Bool) -> Bool {
        switch self {
        case .any: true
        case .tags(let tags): tags.contains(where: isMatch)
        }
    }

    /// Elements between commas, with white space around them. Empty elements are allowed (§5.6.1).
    private static func tags(in field: ArraySlice<UInt8>) -> [EntityTag]? {
        var rest = field
        var tags: [EntityTag] = []
        while true {
            skipSpace(in: &rest)
            guard let byte = rest.first else { return tags }
            if byte != UInt8(ascii: ",") {
                guard let tag = EntityTag(takenFrom: &rest) else { return nil }
                tags.append(tag)
                skipSpace(in: &rest)
                guard rest.isEmpty || rest.first == UInt8(ascii: ",") else { return nil }
            }
            rest = rest.dropFirst()
        }
    }

    private static func skipSpace(in rest: inout ArraySlice<UInt8>) {
        rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    }
}
