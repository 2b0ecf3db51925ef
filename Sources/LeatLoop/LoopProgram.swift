import Glibc
import LeatReactor

/// A program that lives on an event loop: one thread, plain Swift.
///
/// ```swift
/// @main struct Hello: LoopProgram {
///     func run() async throws {
///         print("hello")
///     }
/// }
/// ```
///
/// `Task { }`, `Task.sleep`, `@MainActor`, task groups and actors all run on the loop's one thread, the main thread. The
/// process ends when `run()` returns, with status 0, or with status 1 and a message on standard error if it throws.
///
/// This rests on the toolchain's SPI for custom executors (checked with Swift 6.3.1). A program that must not depend on
/// it embeds a loop with ``EventLoop/run(configuration:_:)``.
public protocol LoopProgram: SendableMetatype {
    init()
    /// The program.
    func run() async throws
    /// How its loop is made. The default reads `LEAT_DEBUG`.
    static var loopConfiguration: EventLoop.Configuration { get }
}

extension LoopProgram {
    public static var loopConfiguration: EventLoop.Configuration { EventLoop.Configuration() }

    /// The entry point: takes the process over and runs it. Returns when the program has ended well.
    public static func main() {
        do {
            let loop = try EventLoop(configuration: loopConfiguration)
            loop.takeOverProcess()
            try withExtendedLifetime(loop) {
                try loop.run { try await Self().run() }
            }
        } catch {
            printToStandardError("error: \(error)")
            exit(1)
        }
    }
}
