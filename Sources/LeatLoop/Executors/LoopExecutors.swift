/// The executor that tasks prefer: `Task(executorPreference:)` and everything they spawn in a structured way.
///
/// This is public API of Swift (SE-0417) and all that an embedded loop uses.
final class LoopTaskExecutor: TaskExecutor {
    private let core: JobCore

    init(core: JobCore) {
        self.core = core
    }

    func enqueue(_ job: consuming ExecutorJob) {
        core.enqueue(.task(UnownedJob(job)))
    }
}
