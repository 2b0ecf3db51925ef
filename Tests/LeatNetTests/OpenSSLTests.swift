import Testing

@testable import LeatNet

@Suite(.timeLimit(.minutes(5)))
struct OpenSSLTests {
    /// A library that is not there, and one that is something else.
    @Test(arguments: ["libssl.so.999", "libm.so.6"])
    func aMissingLibraryIsNamedWithItsPackage(name: String) {
        let error = #expect(throws: TLSError.self) { try OpenSSL(name) }
        #expect(error?.kind == .libraryMissing)
        #expect(error!.message.contains("libssl3") && error!.message.contains(name))
    }
}
