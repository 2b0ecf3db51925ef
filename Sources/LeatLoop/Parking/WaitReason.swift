/// What a task waits for.
public enum WaitReason: Hashable, Sendable, CustomStringConvertible {
    case read(descriptor: Int32)
    case write(descriptor: Int32)
    case accept(descriptor: Int32)
    case connect(descriptor: Int32)
    case sleep
    case semaphore
    case connection
    case offload
    case childTask
    case shutdown
    case batch
    case rate
    /// A server's task, for the next request.
    case request

    /// For example `read of descriptor 7`.
    public var description: String {
        switch self {
        case .read(let descriptor): "read of descriptor \(descriptor)"
        case .write(let descriptor): "write to descriptor \(descriptor)"
        case .accept(let descriptor): "accept on descriptor \(descriptor)"
        case .connect(let descriptor): "connect of descriptor \(descriptor)"
        case .sleep: "sleep"
        case .semaphore: "semaphore"
        case .connection: "pooled connection"
        case .offload: "offloaded work"
        case .childTask: "child task"
        case .shutdown: "shutdown"
        case .batch: "batch"
        case .rate: "rate limit"
        case .request: "next request"
        }
    }
}
