import CommandKit

/// What `--shard auto` finds in the environment: which part of the work a scheduler gave to this process.
///
/// A mistake here is work done twice, or not at all, without anybody noticing; so whatever is incomplete, malformed or
/// contradictory is an error that says what to pass instead.
struct ShardDetection {
    private let environment: (String) -> String?
    /// What `--shards` says.
    private let givenCount: Int?

    /// A scheduler's answer.
    private struct Finding {
        var shard: Shard
        /// The variable that held the index.
        var variable: String
    }

    /// The shard, and the variable it was found in.
    static func detect(
        in environment: @escaping (String) -> String?,
        count: Int?
    ) throws(UsageError) -> (shard: Shard, variable: String) {
        let detection = ShardDetection(environment: environment, givenCount: count)
        let findings = try detection.findings()
        guard let first = findings.first else {
            throw UsageError(
                "--shard auto knows Kubernetes, Slurm, SGE, PBS, AWS Batch and Cloud Run, and found the index of none of "
                    + "them in the environment: pass --shard I/N"
            )
        }
        for other in findings.dropFirst() where other.shard != first.shard {
            throw UsageError(
                "\(first.variable) says that this is shard \(first.shard), but \(other.variable) says \(other.shard): "
                    + "pass --shard I/N"
            )
        }
        return (first.shard, first.variable)
    }

    private func findings() throws(UsageError) -> [Finding] {
        var findings: [Finding] = []
        if let finding = try slurm() { findings.append(finding) }
        if let finding = try gridEngine() { findings.append(finding) }
        for name in ["JOB_COMPLETION_INDEX", "PBS_ARRAY_INDEX", "PBS_ARRAYID"] {
            if let finding = try zeroBased(name, count: nil) { findings.append(finding) }
        }
        if let finding = try zeroBased("AWS_BATCH_JOB_ARRAY_INDEX", count: "AWS_BATCH_JOB_ARRAY_SIZE") {
            findings.append(finding)
        }
        if let finding = try zeroBased("CLOUD_RUN_TASK_INDEX", count: "CLOUD_RUN_TASK_COUNT") {
            findings.append(finding)
        }
        return findings
    }

    // MARK: Schedulers

    /// An index that begins at 0, and a variable with the count if there is one.
    private func zeroBased(_ name: String, count countName: String?) throws(UsageError) -> Finding? {
        guard let index = try number(name) else { return nil }
        let stated: Int? = if let countName { try number(countName) } else { nil }
        let count = try agreed(stated, from: countName, index: index, name)
        return try finding(index, count, name)
    }

    /// The place in an array, or else the rank in a job step.
    private func slurm() throws(UsageError) -> Finding? {
        let array = try slurmArray()
        guard let rank = try number("SLURM_PROCID") else { return array }
        let tasks = try number("SLURM_NTASKS")
        if let array {
            // A batch script runs once, with the rank 0, however many tasks its job has: they are started by srun.
            guard environment("SLURM_STEP_ID") != nil, tasks ?? 1 > 1, array.shard.count > 1 else { return array }
            throw UsageError(
                "this is task \(rank) of \(tasks ?? 1) of a job step in task \(array.shard) of a Slurm array, and --shard "
                    + "auto does not combine the two: pass --shard I/N"
            )
        }
        if let tasks, tasks > 1, environment("SLURM_JOB_ID") != nil, environment("SLURM_STEP_ID") == nil {
            throw UsageError(
                "SLURM_NTASKS says that there are \(tasks) tasks, but this is the batch script, which runs once: start leat "
                    + "with srun, or pass --shard I/N"
            )
        }
        let count = try agreed(tasks, from: "SLURM_NTASKS", index: rank, "SLURM_PROCID")
        return try finding(rank, count, "SLURM_PROCID")
    }

    private func slurmArray() throws(UsageError) -> Finding? {
        let name = "SLURM_ARRAY_TASK_ID"
        guard let index = try number(name) else { return nil }
        let first = try required("SLURM_ARRAY_TASK_MIN", for: name)
        let last = try required("SLURM_ARRAY_TASK_MAX", for: name)
        let count = try required("SLURM_ARRAY_TASK_COUNT", for: name)
        let step = try number("SLURM_ARRAY_TASK_STEP") ?? 1
        // A list such as --array=1,3,7 has fewer tasks than its ends say, and an index there has no place that can be told.
        guard step > 0, last >= first, (last - first) / step + 1 == count, (last - first) % step == 0 else {
            throw UsageError(
                "the Slurm array from \(first) to \(last) in steps of \(step) has \(count) tasks, so its indices are a list "
                    + "with gaps: pass --shard I/N with I from 0 to N-1"
            )
        }
        return try stepped(index, first, last, step, name)
    }

    /// SGE says `undefined` outside of an array.
    private func gridEngine() throws(UsageError) -> Finding? {
        let name = "SGE_TASK_ID"
        guard environment(name) != "undefined", let index = try number(name) else { return nil }
        let first = try required("SGE_TASK_FIRST", for: name)
        let last = try required("SGE_TASK_LAST", for: name)
        let step = try required("SGE_TASK_STEPSIZE", for: name)
        guard step > 0, last >= first else {
            throw UsageError("the array from \(first) to \(last) in steps of \(step) is none: pass --shard I/N")
        }
        return try stepped(index, first, last, step, name)
    }

    private func stepped(_ id: Int, _ first: Int, _ last: Int, _ step: Int, _ name: String) throws(UsageError)
        -> Finding
    {
        guard (first...last).contains(id), (id - first) % step == 0 else {
            throw UsageError("\(name) is \(id), which is not in the array from \(first) to \(last) in steps of \(step)")
        }
        let index = (id - first) / step
        let count = try agreed((last - first) / step + 1, from: "the array", index: index, name)
        return try finding(index, count, name)
    }

    // MARK: Numbers

    /// The count, from the environment or from `--shards`, which must not contradict each other.
    private func agreed(_ stated: Int?, from source: String?, index: Int, _ name: String) throws(UsageError) -> Int {
        switch (stated, givenCount) {
        case (nil, nil):
            throw UsageError("\(name) says that this is shard \(index), but nothing says of how many: pass --shards N")
        case (let count?, nil), (nil, let count?):
            return count
        case (let count?, let given?):
            guard count == given else {
                throw UsageError(
                    "--shards says \(given), but \(source ?? name) says \(count). If only a part of an array is run again, "
                        + "pass --shard I/N"
                )
            }
            return count
        }
    }

    private func finding(_ index: Int, _ count: Int, _ name: String) throws(UsageError) -> Finding {
        guard let shard = Shard(index: index, count: count) else {
            throw UsageError(
                "\(name) is \(index), which is no index from 0 to \(count - 1) of \(count) shards: number the tasks from 0, "
                    + "or pass --shard I/N"
            )
        }
        return Finding(shard: shard, variable: name)
    }

    private func number(_ name: String) throws(UsageError) -> Int? {
        guard let text = environment(name) else { return nil }
        guard !text.isEmpty, let number = Shard.number(text) else {
            throw UsageError("\(name) is '\(text)', which is not a number: pass --shard I/N")
        }
        return number
    }

    private func required(_ name: String, for index: String) throws(UsageError) -> Int {
        guard let number = try number(name) else {
            throw UsageError("\(index) is set, but \(name) is not: pass --shard I/N")
        }
        return number
    }
}

extension Shard: CustomStringConvertible {
    var description: String { "\(index)/\(count)" }
}
