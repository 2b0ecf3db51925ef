import LeatLoop

/// Permits for each host by itself, taken before those that all share: the requests to a slow host keep one another waiting
/// and no others.
final class HostPermits {
    private let perHost: Int
    /// Those of the hosts that are in use; the others are forgotten.
    private var permits: [Origin: AsyncSemaphore] = [:]

    init(perHost: Int) {
        self.perHost = perHost
    }

    func acquire(for url: HTTPURL) async throws {
        let origin = Origin(url)
        let semaphore = permits[origin] ?? AsyncSemaphore(value: perHost)
        permits[origin] = semaphore
        try await semaphore.acquire()
    }

    func release(for url: HTTPURL) {
        let origin = Origin(url)
        guard let semaphore = permits[origin] else { return }
        semaphore.release()
        if semaphore.availablePermits == perHost { permits[origin] = nil }
    }
}
