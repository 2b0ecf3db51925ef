import CLinux
import LeatReactor

/// The system's zlib, loaded when the first compressed body arrives: a program that never meets one does not need it.
///
/// Only what decompression takes is looked up. Every Linux distribution has the library: it is `zlib1g` on Debian and
/// Ubuntu, `zlib` elsewhere.
package struct Zlib: Sendable {
    typealias Stream = clinux_zlib_stream
    typealias StreamPointer = UnsafeMutablePointer<Stream>

    private let inflateInit2: @convention(c) (StreamPointer, CInt, UnsafePointer<CChar>?, CInt) -> CInt
    private let inflateStep: @convention(c) (StreamPointer, CInt) -> CInt
    private let inflateReset: @convention(c) (StreamPointer) -> CInt
    private let inflateEnd: @convention(c) (StreamPointer) -> CInt
    private let zlibVersion: @convention(c) () -> UnsafePointer<CChar>?

    /// The library, or why there is none. Loaded once, at the first use.
    package static let shared = load("libz.so.1")

    /// Loads a library by name.
    package static func load(_ name: String) -> Result<Zlib, HTTPError> {
        do throws(DynamicLibrary.LoadError) {
            let library = try DynamicLibrary(name)
            return .success(
                Zlib(
                    inflateInit2: try library.function("inflateInit2_"),
                    inflateStep: try library.function("inflate"),
                    inflateReset: try library.function("inflateReset"),
                    inflateEnd: try library.function("inflateEnd"),
                    zlibVersion: try library.function("zlibVersion")
                )
            )
        } catch {
            return .failure(unavailable(error.description))
        }
    }

    private static func unavailable(_ reason: String) -> HTTPError {
        HTTPError(
            .libraryUnavailable,
            "compressed bodies need zlib (Debian and Ubuntu: package zlib1g; elsewhere: zlib): \(reason)"
        )
    }

    /// The version of the library, such as `1.2.13`.
    package var version: String { zlibVersion().map { String(cString: $0) } ?? "" }

    // MARK: Calls

    /// What zlib answers, as far as decompression tells it apart.
    enum Status {
        case ok
        case streamEnd
        /// Nothing could be done without more input or more room.
        case noProgress
        case failed(code: CInt)

        init(_ code: CInt) {
            switch code {
            case 0: self = .ok
            case 1: self = .streamEnd
            case -5: self = .noProgress
            default: self = .failed(code: code)
            }
        }
    }

    /// Makes a zeroed stream ready. The stream must not move afterwards: zlib keeps its address.
    func begin(_ stream: StreamPointer, windowBits: CInt) -> Status {
        Status(inflateInit2(stream, windowBits, zlibVersion(), CInt(MemoryLayout<Stream>.size)))
    }

    /// Decompresses until the input is used up, the output full or the data at its end.
    func inflate(_ stream: StreamPointer) -> Status { Status(inflateStep(stream, 0)) }

    /// Makes a stream ready for other data, in the memory it has.
    func reset(_ stream: StreamPointer) -> Status { Status(inflateReset(stream)) }

    /// Releases what zlib allocated for a stream.
    func end(_ stream: StreamPointer) { _ = inflateEnd(stream) }
}
