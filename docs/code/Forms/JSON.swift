// The adapter of docs/guides/forms-and-json.md, as a file to copy.
import Foundation
import Leat

struct JSON: HTTPBodyEncoder, HTTPBodyDecoder {
    var mediaType: HTTPMediaType { .json }

    func encode(_ value: some Encodable) throws -> [UInt8] {
        Array(try JSONEncoder().encode(value))
    }

    func accepts(_ mediaType: HTTPMediaType) -> Bool { mediaType.isJSON }

    func decode<T: Decodable>(_ type: T.Type, from body: [UInt8]) throws -> T {
        try JSONDecoder().decode(type, from: Data(body))
    }
}
