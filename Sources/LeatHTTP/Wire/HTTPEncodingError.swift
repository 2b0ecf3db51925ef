/// Why a head was not sent: something in it would not be HTTP, or would let one part of it pass for another.
package struct HTTPEncodingError: Error, Hashable, Sendable {
    package enum Kind: UInt8, Hashable, Sendable, CaseIterable {
        case invalidMethod, invalidTarget, missingAuthority, invalidAuthority, invalidStatusCode, invalidReasonPhrase
        case invalidFieldName, invalidFieldValue, duplicateHost, invalidHost
        case conflictingContentLength, conflictingTransferEncoding, forbiddenTrailer
    }

    /// What is wrong.
    package var kind: Kind
    /// The name of the field, if it is about one.
    package var fieldName: String?
    /// The octet at which it is wrong, from the start of the part that `kind` names, if it is about one octet.
    package var offset: Int?

    init(_ kind: Kind, fieldName: String? = nil, offset: Int? = nil) {
        self.kind = kind
        self.fieldName = fieldName
        self.offset = offset
    }
}

extension HTTPEncodingError: CustomStringConvertible {
    package var description: String {
        let field = fieldName.map { "field “\($0)”: " } ?? ""
        let place = offset.map { " (at octet \($0))" } ?? ""
        return field + reason + place
    }

    private var reason: String {
        switch kind {
        case .invalidMethod: "the method is not a token"
        case .invalidTarget: "the path is empty, or has an octet which must be percent-encoded"
        case .missingAuthority: "the request has neither an authority nor a Host field"
        case .invalidAuthority: "the authority is not a valid host and port"
        case .invalidStatusCode: "the status code is not between 100 and 999"
        case .invalidReasonPhrase: "the reason phrase contains a control character"
        case .invalidFieldName: "the name is not a token"
        case .invalidFieldValue: "the value contains a control character"
        case .duplicateHost: "there is more than one"
        case .invalidHost: "the value is not a valid host and port"
        case .conflictingContentLength: "it is not the length of the body that is sent; leave it out"
        case .conflictingTransferEncoding: "the body decides on it; leave it out"
        case .forbiddenTrailer: "it may not stand in a trailer section"
        }
    }
}
