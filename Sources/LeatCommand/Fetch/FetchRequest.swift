import CommandKit
import Leat

/// One request of a run, read from an argument or a line of input.
struct FetchRequest: Sendable {
    /// What names it in the output.
    var id: JSON
    /// The URL as it was given.
    var text: String
    var url: HTTPURL
    var method = HTTPRequest.Method.get
    var headerFields = HTTPFields()
    var body: [UInt8]?
    /// Of its line or argument, from 1.
    let number: Int

    /// What is wrong with a line, and the parts of it that could be read.
    struct Failure: Error {
        var id: JSON
        var text: String?
        var reason: String
    }

    /// Reads a URL or a JSON object. `number` names it if it does not name itself.
    init(line: String, number: Int) throws(Failure) {
        self.number = number
        id = .number("\(number)")
        text = line
        if line.utf8.first == UInt8(ascii: "{") {
            // Replaced below; a request has a URL.
            url = "http://localhost/"
            try read(line)
        } else {
            url = try Self.parse(line, id: id)
        }
    }

    private static func parse(_ text: String, id: JSON) throws(Failure) -> HTTPURL {
        do throws(HTTPURL.ParseError) {
            return try HTTPURL(parsing: text)
        } catch {
            throw Failure(id: id, text: text, reason: "\(error)")
        }
    }

    private mutating func read(_ line: String) throws(Failure) {
        let object: JSON
        do throws(JSONError) {
            object = try JSONParser.parse(Array(line.utf8))
        } catch {
            throw Failure(id: id, text: nil, reason: "\(error)")
        }
        if let given = object["id"] { id = given }
        guard let given = object["url"]?.string else {
            throw Failure(id: id, text: nil, reason: "the object has no \"url\", or it is not a string")
        }
        text = given
        body = try Self.body(of: object, failure: failure)
        method = try Self.method(of: object, hasBody: body != nil, failure: failure)
        headerFields = try Self.headerFields(of: object, failure: failure)
        url = try Self.parse(given, id: id)
    }

    private func failure(_ reason: String) -> Failure { Failure(id: id, text: text, reason: reason) }

    private static func body(of object: JSON, failure: (String) -> Failure) throws(Failure) -> [UInt8]? {
        switch (object["data"], object["body_base64"]) {
        case (nil, nil), (.null, nil), (nil, .null), (.null, .null): return nil
        case (.string(let text), nil), (.string(let text), .null): return Array(text.utf8)
        case (nil, .string(let text)), (.null, .string(let text)):
            guard let bytes = Base64.decode(text) else { throw failure("\"body_base64\" is not valid base64") }
            return bytes
        case (.some, nil), (.some, .null): throw failure("\"data\" is not a string")
        case (nil, .some), (.null, .some): throw failure("\"body_base64\" is not a string")
        case (.some, .some): throw failure("\"data\" and \"body_base64\" exclude each other")
        }
    }

    private static func method(
        of object: JSON,
        hasBody: Bool,
        failure: (String) -> Failure
    ) throws(Failure) -> HTTPRequest.Method {
        switch object["method"] {
        case nil, .null: return hasBody ? .post : .get
        case .string(let name):
            guard let method = HTTPRequest.Method(name), method != .connect else {
                throw failure("\"method\" is not a method that can be sent")
            }
            return method
        default: throw failure("\"method\" is not a string")
        }
    }

    private static func headerFields(of object: JSON, failure: (String) -> Failure) throws(Failure) -> HTTPFields {
        var fields = HTTPFields()
        func append(_ name: String, _ value: JSON) throws(Failure) {
            guard let fieldName = HTTPField.Name(name) else {
                throw failure("the header name \"\(name)\" is not valid")
            }
            guard let text = value.string else { throw failure("the value of header \"\(name)\" is not a string") }
            guard HTTPField.isValidValue(text) else {
                throw failure("the value of header \"\(name)\" contains a control character")
            }
            fields.append(HTTPField(name: fieldName, value: text))
        }
        switch object["headers"] {
        case nil, .null: break
        case .object(let members):
            for member in members { try append(member.name, member.value) }
        case .array(let pairs):
            for pair in pairs {
                guard case .array(let parts) = pair, parts.count == 2, let name = parts[0].string else {
                    throw failure("\"headers\" is a list, but not of [name, value] pairs")
                }
                try append(name, parts[1])
            }
        default: throw failure("\"headers\" is neither an object nor a list of pairs")
        }
        return fields
    }

    /// The line that stands for the same request in another input: it names itself. A line that is no JSON although it begins
    /// like an object is left as it is.
    static func selfContained(_ line: String, number: Int) -> [UInt8] {
        let id = ("id", JSON.integer(number))
        guard line.utf8.first == UInt8(ascii: "{") else { return JSON.object([id, ("url", .string(line))]).bytes }
        let value = try? JSONParser.parse(Array(line.utf8))
        guard case .object(let members) = value, value?["id"] == nil else { return Array(line.utf8) }
        return JSON.object([id] + members).bytes
    }

    /// This request's fields, and those of every request that it does not replace.
    func headerFields(with common: HTTPFields) -> HTTPFields {
        var fields = headerFields
        for field in common where !headerFields.contains(field.name) { fields.append(field) }
        return fields
    }
}
