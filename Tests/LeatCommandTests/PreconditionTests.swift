import Leat
import LeatHTTP
import Testing

@testable import LeatCommand

@Suite struct PreconditionTests {
    private let current = Validators(entityTag: EntityTag(strong: "v1"), modified: 784_111_777)
    private let sameDate = "Sun, 06 Nov 1994 08:49:37 GMT"
    private let earlier = "Sun, 06 Nov 1994 08:49:36 GMT"

    private func outcome(_ fields: HTTPFields) -> Preconditions.Outcome {
        Preconditions.evaluate(fields, for: current)
    }

    @Test(arguments: [
        #""v1""#, #""x","v1""#, #""x" , "v1""#, "\t\"v1\"\t,\t\"x\"", #", ,"v1","#, #"W/"x", W/"v1""#, #""a,b", "v1""#,
        #""back\", "v1""#, "*", " * ",
    ])
    func aListThatHasTheTagMatches(list: String) {
        #expect(outcome([.ifNoneMatch: list]) == .notModified)
    }

    @Test(arguments: [
        "", ",", "v1", #""v1"#, #"v1""#, #""v1" "x""#, #"w/"v1""#, #""v1, x""#, #""x,"v1",""#, #"*, "v1""#, #""v1", *"#,
        #""V1""#, #"W/ "v1""#, #""v1"; a=b"#,
    ])
    func aListThatHasNotOrIsNotValidDoesNot(list: String) {
        #expect(outcome([.ifNoneMatch: list]) == .met)
        #expect(outcome([.ifMatch: list]) == .failed)
    }

    @Test func whatChangesAFileNeedsTheVeryBytes() {
        #expect(outcome([.ifMatch: #""x" , "v1""#]) == .met)
        #expect(outcome([.ifMatch: "*"]) == .met)
        #expect(outcome([.ifMatch: #"W/"v1""#]) == .failed)
        #expect(outcome([.ifMatch: #""x""#]) == .failed)
    }

    @Test func listsOfSeveralFieldsAreOne() {
        var fields: HTTPFields = [.ifNoneMatch: #""x""#]
        fields.append(HTTPField(name: .ifNoneMatch, value: #""v1""#))
        #expect(outcome(fields) == .notModified)
    }

    @Test func datesCountInWholeSeconds() {
        #expect(outcome([.ifModifiedSince: sameDate]) == .notModified)
        #expect(outcome([.ifModifiedSince: earlier]) == .met)
        #expect(outcome([.ifUnmodifiedSince: sameDate]) == .met)
        #expect(outcome([.ifUnmodifiedSince: earlier]) == .failed)
        for name in [HTTPField.Name.ifModifiedSince, .ifUnmodifiedSince] {
            #expect(outcome([name: "yesterday"]) == .met)
        }
    }

    /// RFC 9110 §13.2.2.
    @Test func tagsHavePrecedenceOverDatesAndWhatIsWantedOverWhatIsKnown() {
        #expect(outcome([.ifMatch: #""v1""#, .ifUnmodifiedSince: earlier]) == .met)
        #expect(outcome([.ifMatch: #""x""#, .ifUnmodifiedSince: sameDate]) == .failed)
        #expect(outcome([.ifNoneMatch: #""x""#, .ifModifiedSince: sameDate]) == .met)
        #expect(outcome([.ifNoneMatch: #""v1""#, .ifModifiedSince: earlier]) == .notModified)
        #expect(outcome([.ifMatch: #""x""#, .ifNoneMatch: #""v1""#]) == .failed)
        #expect(outcome([.ifMatch: #""v1""#, .ifNoneMatch: #""v1""#]) == .notModified)
        #expect(outcome([.ifUnmodifiedSince: earlier, .ifModifiedSince: sameDate]) == .failed)
    }

    @Test func whatHasNoValidatorsMatchesOnlyTheAsterisk() {
        func outcome(_ fields: HTTPFields) -> Preconditions.Outcome {
            Preconditions.evaluate(fields, for: Validators())
        }
        #expect(outcome([.ifMatch: "*", .ifUnmodifiedSince: earlier]) == .met)
        #expect(outcome([.ifMatch: #""v1""#]) == .failed)
        #expect(outcome([.ifUnmodifiedSince: earlier, .ifModifiedSince: sameDate]) == .met)
        #expect(outcome([.ifNoneMatch: #""v1""#]) == .met)
    }

    @Test func aRangeIsOfTheVersionThatTheClientHas() {
        func allows(_ condition: String) -> Bool { Preconditions.allowRange([.ifRange: condition], for: current) }
        #expect(Preconditions.allowRange([:], for: current))
        #expect(allows(#""v1""#) && allows(sameDate))
        for condition in [#"W/"v1""#, #""x""#, #""v1","x""#, "*", earlier, "yesterday", ""] {
            #expect(!allows(condition))
        }
    }
}
