/// The dates of cookies, which come in many forms: RFC 6265 §5.1.1 looks for a time, a day, a month and a year among the
/// words, in whatever order.
enum CookieDate {
    private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

    /// Seconds since 1970; nil if the text is no date.
    static func parse(_ text: Substring) -> Int? {
        var time: (Int, Int, Int)?
        var day: Int?
        var month: Int?
        var year: Int?
        for word in text.utf8.split(whereSeparator: isDelimiter) {
            if time == nil, let found = clock(word) {
                time = found
            } else if day == nil, let found = number(word, 1...2) {
                day = found
            } else if month == nil, let found = monthNumber(word) {
                month = found
            } else if year == nil, let found = number(word, 2...4) {
                year = found < 70 ? 2000 + found : found < 100 ? 1900 + found : found
            }
        }
        guard let (hour, minute, second) = time, let day, let month, let year, (1...31).contains(day), year >= 1601,
            hour < 24, minute < 60, second < 60
        else { return nil }
        return HTTPDate.seconds(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
    }

    private static func isDelimiter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x09, 0x20...0x2F, 0x3B...0x40, 0x5B...0x60, 0x7B...0x7E: true
        default: false
        }
    }

    /// The number that a word begins with, if it has so many digits and no digit follows.
    private static func number(_ word: Substring.UTF8View.SubSequence, _ digits: ClosedRange<Int>) -> Int? {
        let leading = word.prefix(while: ASCII.isDigit)
        guard digits.contains(leading.count) else { return nil }
        return leading.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    private static func monthNumber(_ word: Substring.UTF8View.SubSequence) -> Int? {
        guard word.count >= 3 else { return nil }
        let name = String(decoding: word.prefix(3).map(ASCII.lowercase), as: UTF8.self)
        return months.firstIndex(of: name)
    }

    /// `hh:mm:ss`, each of one or two digits.
    private static func clock(_ word: Substring.UTF8View.SubSequence) -> (Int, Int, Int)? {
        let parts = word.split(separator: ASCII.colon, maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let hour = whole(parts[0]), let minute = whole(parts[1]),
            let second = number(parts[2], 1...2)
        else { return nil }
        return (hour, minute, second)
    }

    private static func whole(_ word: Substring.UTF8View.SubSequence) -> Int? {
        word.allSatisfy(ASCII.isDigit) ? number(word, 1...2) : nil
    }
}
