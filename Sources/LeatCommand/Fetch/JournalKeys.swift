import CommandKit
import Leat

/// Which requests a journal has finished results of.
///
/// A request is known by its id and its URL together, of which 128 bits of a keyed hash are kept: 20 to 45 bytes of memory
/// for each, however long they are, and no chance worth the name that one is taken for another.
struct JournalKeys {
    private var keys: Set<UInt128> = []

    /// Why a line is not a result.
    struct Malformed: Error {
        let reason: String
    }

    var count: Int { keys.count }

    /// Takes note of a line. One that reports an error is not finished: its request will be made again.
    mutating func insert(line: ArraySlice<UInt8>) throws(Malformed) {
        let object: JSON
        do throws(JSONError) {
            object = try JSONParser.parse(Array(line))
        } catch {
            throw Malformed(reason: "\(error)")
        }
        guard case .object = object else { throw Malformed(reason: "it is not an object") }
        guard let id = object["id"] else { throw Malformed(reason: "it has no \"id\"") }
        guard object["url"] != nil, let status = object["status"] else {
            throw Malformed(reason: "it has no \"url\" or no \"status\"")
        }
        guard object["error"] == nil, status != .null, let url = object["url"]?.string else { return }
        keys.insert(Self.key(id, url))
    }

    func contains(_ request: FetchRequest) -> Bool { keys.contains(Self.key(request.id, request.text)) }

    private static func key(_ id: JSON, _ url: String) -> UInt128 {
        let text = id.text
        func half(_ number: Int) -> UInt64 {
            var hasher = Hasher()
            hasher.combine(number)
            hasher.combine(text)
            hasher.combine(url)
            return UInt64(bitPattern: Int64(hasher.finalize()))
        }
        return UInt128(half(0)) << 64 | UInt128(half(1))
    }
}
