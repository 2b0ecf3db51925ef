// `leat-fuzz <target> [argument…]`. Built by `Tests/Fuzz/run`, it is a fuzzer and takes libFuzzer's arguments. Built in the
// ordinary way, it runs the files that it is given: to see in a debugger what a fuzzer found.

internal import FuzzTargets
internal import Glibc
internal import LeatReactor

private func fail(_ message: String) -> Never {
    printToStandardError(message)
    exit(2)
}

/// The target that is named first. The copies of itself that libFuzzer starts, to merge or to minimise, have only its
/// own arguments; they find the name in the environment.
private let target: FuzzTarget = {
    let variable = "LEAT_FUZZ_TARGET"
    if CommandLine.arguments.count > 1, let target = FuzzTarget.named(CommandLine.arguments[1]) {
        setenv(variable, target.name, 1)
        return target
    }
    guard let name = getenv(variable), let target = FuzzTarget.named(String(cString: name)) else {
        fail("usage: leat-fuzz " + FuzzTarget.all.map(\.name).joined(separator: "|") + " [argument…]")
    }
    return target
}()

#if FUZZING
    @_silgen_name("LLVMFuzzerRunDriver")
    private func LLVMFuzzerRunDriver(
        _ count: UnsafeMutablePointer<Int32>,
        _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
        _ run: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
    ) -> Int32

    private var words = CommandLine.arguments
    if words.dropFirst().first == target.name { words.remove(at: 1) }
    private var count = Int32(words.count)
    private let storage = UnsafeMutableBufferPointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: words.count + 1)
    _ = storage.initialize(from: words.map { strdup($0) } + [nil])
    private var arguments = storage.baseAddress!
    exit(
        LLVMFuzzerRunDriver(&count, &arguments) { start, count in
            do {
                try target.check(Array(UnsafeBufferPointer(start: start, count: count)))
            } catch {
                fatalError("\(error)")
            }
            return 0
        }
    )
#else
    for path in CommandLine.arguments.dropFirst(2) {
        guard let input = CorpusFile.read(path) else { fail("cannot read \(path)") }
        do {
            try target.check(input)
            print("\(path): holds")
        } catch {
            fail("\(path): \(error)")
        }
    }
#endif
