import CommandKit
import Testing

@testable import LeatCommand

@Suite struct ShardTests {
    @Test(arguments: [("0/1", 0, 1), ("3/4", 3, 4), ("0/1000000", 0, 1_000_000)])
    func aShardIsAnIndexAndACount(text: String, index: Int, count: Int) throws {
        let shard = try Shard(parsing: text)
        #expect(shard.index == index && shard.count == count && shard.description == text)
    }

    @Test(arguments: ["", "1", "4/4", "-1/4", "1/0", "0/0", "a/4", "1/4/8", "+1/4", "1/", "/4", "0/1000001", "1 /4"])
    func whatIsNoShardIsRefused(text: String) {
        #expect(throws: UsageError.self) { try Shard(parsing: text) }
    }

    @Test func everyRequestIsInExactlyOneShard() throws {
        let shards = try (0..<7).map { try Shard(parsing: "\($0)/7") }
        for request in 0..<1000 { #expect(shards.filter { $0.contains(request) }.count == 1) }
    }

    private static let slurm = [
        "SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "7",
        "SLURM_ARRAY_TASK_STEP": "2", "SLURM_ARRAY_TASK_COUNT": "4",
    ]
    private static let gridEngine = [
        "SGE_TASK_ID": "3", "SGE_TASK_FIRST": "1", "SGE_TASK_LAST": "8", "SGE_TASK_STEPSIZE": "2",
    ]

    @Test(
        arguments: [
            (["JOB_COMPLETION_INDEX": "3"], 8, "3/8", "JOB_COMPLETION_INDEX"),
            (slurm, nil, "2/4", "SLURM_ARRAY_TASK_ID"),
            (slurm, 4, "2/4", "SLURM_ARRAY_TASK_ID"),
            // The batch script of an array's task, of which there is one however many tasks srun would start.
            (
                slurm.merging(["SLURM_PROCID": "0", "SLURM_NTASKS": "6", "SLURM_JOB_ID": "9"]) { $1 }, 4, "2/4",
                "SLURM_ARRAY_TASK_ID"
            ),
            (slurm.merging(["SLURM_PROCID": "0"]) { $1 }, nil, "2/4", "SLURM_ARRAY_TASK_ID"),
            (["SLURM_PROCID": "2", "SLURM_NTASKS": "3"], nil, "2/3", "SLURM_PROCID"),
            (
                ["SLURM_PROCID": "2", "SLURM_NTASKS": "3", "SLURM_JOB_ID": "9", "SLURM_STEP_ID": "0"], nil, "2/3",
                "SLURM_PROCID"
            ),
            (gridEngine, nil, "1/4", "SGE_TASK_ID"),
            (["PBS_ARRAY_INDEX": "0"], 5, "0/5", "PBS_ARRAY_INDEX"),
            (["PBS_ARRAYID": "4"], 5, "4/5", "PBS_ARRAYID"),
            (
                ["AWS_BATCH_JOB_ARRAY_INDEX": "9", "AWS_BATCH_JOB_ARRAY_SIZE": "10"], nil, "9/10",
                "AWS_BATCH_JOB_ARRAY_INDEX"
            ),
            (["CLOUD_RUN_TASK_INDEX": "0", "CLOUD_RUN_TASK_COUNT": "1"], nil, "0/1", "CLOUD_RUN_TASK_INDEX"),
            // Outside of an array SGE says so; and two that agree are one.
            (["SGE_TASK_ID": "undefined", "JOB_COMPLETION_INDEX": "1"], 2, "1/2", "JOB_COMPLETION_INDEX"),
            (["PBS_ARRAY_INDEX": "1", "PBS_ARRAYID": "1"], 2, "1/2", "PBS_ARRAY_INDEX"),
        ] as [([String: String], Int?, String, String)]
    )
    func aSchedulersShardIsFound(environment: [String: String], count: Int?, shard: String, variable: String) throws {
        let found = try ShardDetection.detect(in: { environment[$0] }, count: count)
        #expect(found.shard.description == shard && found.variable == variable)
    }

    @Test(
        arguments: [
            ([:], nil, "--shard I/N"),
            ([:], 8, "--shard I/N"),
            // An index without a count.
            (["JOB_COMPLETION_INDEX": "3"], nil, "--shards N"),
            (["PBS_ARRAY_INDEX": "3"], nil, "--shards N"),
            (["AWS_BATCH_JOB_ARRAY_INDEX": "3"], nil, "--shards N"),
            (["CLOUD_RUN_TASK_INDEX": "3"], nil, "--shards N"),
            (["SLURM_PROCID": "0"], nil, "--shards N"),
            (["SLURM_ARRAY_TASK_ID": "1"], 4, "SLURM_ARRAY_TASK_MIN"),
            (["SGE_TASK_ID": "1"], 4, "SGE_TASK_FIRST"),
            // Malformed, or out of range.
            (["JOB_COMPLETION_INDEX": ""], 8, "not a number"),
            (["JOB_COMPLETION_INDEX": "-1"], 8, "not a number"),
            (["JOB_COMPLETION_INDEX": "1x"], 8, "not a number"),
            (["JOB_COMPLETION_INDEX": "99999999999999999999"], 8, "not a number"),
            (["JOB_COMPLETION_INDEX": "8"], 8, "from 0 to 7"),
            (["PBS_ARRAY_INDEX": "5"], 5, "number the tasks from 0"),
            (["AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "0"], nil, "no index"),
            (gridEngine.merging(["SGE_TASK_ID": "2"]) { $1 }, nil, "not in the array"),
            (gridEngine.merging(["SGE_TASK_STEPSIZE": "0"]) { $1 }, nil, "--shard I/N"),
            (slurm.merging(["SLURM_ARRAY_TASK_ID": "9"]) { $1 }, nil, "not in the array"),
            // --array=1,3,7
            (slurm.merging(["SLURM_ARRAY_TASK_STEP": "1", "SLURM_ARRAY_TASK_COUNT": "3"]) { $1 }, 3, "gaps"),
            // Counts that contradict each other: --array=3-5 of what were 16.
            (["CLOUD_RUN_TASK_INDEX": "3", "CLOUD_RUN_TASK_COUNT": "8"], 9, "CLOUD_RUN_TASK_COUNT says 8"),
            (slurm, 16, "--shard I/N"),
            // A batch script with tasks that srun has not started, and both levels at once.
            (["SLURM_PROCID": "0", "SLURM_NTASKS": "3", "SLURM_JOB_ID": "9"], nil, "srun"),
            (slurm.merging(["SLURM_PROCID": "0", "SLURM_NTASKS": "6", "SLURM_STEP_ID": "0"]) { $1 }, nil, "combine"),
            // Two schedulers.
            (["PBS_ARRAY_INDEX": "1", "JOB_COMPLETION_INDEX": "0"], 2, "PBS_ARRAY_INDEX says 1/2"),
        ] as [([String: String], Int?, String)]
    )
    func whatCouldMeanWorkDoneTwiceIsRefusedWithAdvice(environment: [String: String], count: Int?, advice: String) {
        let error = #expect(throws: UsageError.self) {
            try ShardDetection.detect(in: { environment[$0] }, count: count)
        }
        #expect(error?.description.contains(advice) == true, "\(error?.description ?? "")")
    }

    @Test func optionsLookInTheEnvironmentOnlyWhenAsked() throws {
        let environment = ["JOB_COMPLETION_INDEX": "1"]
        #expect(try FetchOptions(parsing: [], environment: { environment[$0] }).shard == nil)
        let options = try FetchOptions(parsing: ["--shard", "auto", "--shards", "2"], environment: { environment[$0] })
        #expect(options.shard == Shard(index: 1, count: 2) && options.shardSource == "JOB_COMPLETION_INDEX")
        #expect(try FetchOptions(parsing: ["--shard", "0/2"], environment: { environment[$0] }).shard?.index == 0)
        #expect(throws: UsageError.self) { try FetchOptions(parsing: ["--shard", "auto"]) }
    }
}
