extension HTTPFields {
    /// Sets `Authorization` to a user name and a password (RFC 7617), as UTF-8. Only to be sent by `https`.
    ///
    /// Throws ``HTTPError`` of kind `.invalidRequest` if the name contains a colon, or either of them a control character.
    public mutating func setBasicAuthorization(user: String, password: String) throws(HTTPError) {
        func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7F }
        guard !user.utf8.contains(ASCII.colon), !user.utf8.contains(where: isControl),
            !password.utf8.contains(where: isControl)
        else { throw HTTPError(.invalidRequest, "this user name or password cannot be sent") }
        self[.authorization] = "Basic " + Base64.encode(Array("\(user):\(password)".utf8))
    }

    /// Sets `Authorization` to a token (RFC 6750 §2.1). Only to be sent by `https`.
    ///
    /// Throws ``HTTPError`` of kind `.invalidRequest` if it is empty or contains what a token may not.
    public mutating func setBearerAuthorization(_ token: String) throws(HTTPError) {
        let body = token.utf8.reversed().drop { $0 == UInt8(ascii: "=") }
        guard !body.isEmpty,
            body.allSatisfy({ PercentEncoding.isUnreserved($0) || $0 == UInt8(ascii: "+") || $0 == ASCII.slash })
        else { throw HTTPError(.invalidRequest, "this is not a bearer token") }
        self[.authorization] = "Bearer \(token)"
    }
}
