import Leat
import LeatHTTP

/// What tells one version of a file from another (RFC 9110 §8.8).
struct Validators: Sendable {
    var entityTag: EntityTag?
    /// Seconds since 1970.
    var modified: Int?

    /// `ETag` and `Last-Modified`.
    var headerFields: HTTPFields {
        var fields = HTTPFields()
        fields[.eTag] = entityTag?.text
        fields[.lastModified] = modified.map(HTTPDate.format)
        return fields
    }
}

/// The conditions of a GET or HEAD request for a file that exists (RFC 9110 §13).
enum Preconditions {
    enum Outcome: Equatable {
        /// They hold, or there are none: the file is sent.
        case met
        /// The client has this version: 304.
        case notModified
        /// The client wants another version: 412.
        case failed
    }

    /// Evaluates the conditions in the order of §13.2.2. A date that is not valid, or that nothing can be compared with, is
    /// ignored.
    static func evaluate(_ fields: HTTPFields, for validators: Validators) -> Outcome {
        if let wanted = fields[.ifMatch] {
            guard matches(wanted, validators.entityTag, { $0.matchesStrongly($1) }) else { return .failed }
        } else if isModified(validators, since: fields[.ifUnmodifiedSince]) == true {
            return .failed
        }
        if let known = fields[.ifNoneMatch] {
            return matches(known, validators.entityTag, { $0.matchesWeakly($1) }) ? .notModified : .met
        }
        return isModified(validators, since: fields[.ifModifiedSince]) == false ? .notModified : .met
    }

    /// Whether a range may be sent: there is no `If-Range`, or it names this version (§13.1.5).
    static func allowRange(_ fields: HTTPFields, for validators: Validators) -> Bool {
        guard let condition = fields[.ifRange] else { return true }
        var rest = Array(condition.utf8)[...]
        if let tag = EntityTag(takenFrom: &rest), rest.isEmpty {
            return validators.entityTag?.matchesStrongly(tag) == true
        }
        guard let date = HTTPDate.parse(condition) else { return false }
        return validators.modified == date
    }

    private static func matches(
        _ field: String,
        _ current: EntityTag?,
        _ isMatch: (EntityTag, EntityTag) -> Bool
    ) -> Bool {
        EntityTagList(field).contains { tag in current.map { isMatch($0, tag) } ?? false }
    }

    /// Nil if that cannot be said.
    private static func isModified(_ validators: Validators, since field: String?) -> Bool? {
        guard let date = field.flatMap(HTTPDate.parse), let modified = validators.modified else { return nil }
        return modified > date
    }
}
