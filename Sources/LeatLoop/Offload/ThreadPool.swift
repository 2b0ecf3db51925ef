import Glibc

/// A few threads for work that would block the loop. They start when there is work for them and end with the pool.
///
/// The pool's queue is as long as its users make it: ``Offloading`` never submits more than there are threads.
final class ThreadPool: Sendable {
    private let shared = Shared()
    private let maximumThreads: Int

    /// What the threads and the pool share. The condition variable needs a stable address, hence the allocation.
    private final class Shared: @unchecked Sendable {
        let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        // Under the mutex:
        var queue: [@Sendable () -> Void] = []
        var idle = 0
        var threads: [pthread_t] = []
        var isClosed = false

        init() {
            pthread_mutex_init(mutex, nil)
            pthread_cond_init(condition, nil)
        }

        deinit {
            pthread_cond_destroy(condition)
            pthread_mutex_destroy(mutex)
            condition.deallocate()
            mutex.deallocate()
        }

        func locked<T>(_ body: () -> T) -> T {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            return body()
        }

        /// The next piece of work, waiting for it; nil when the pool is closed.
        func next() -> (@Sendable () -> Void)? {
            locked {
                idle += 1
                defer { idle -= 1 }
                while queue.isEmpty, !isClosed { pthread_cond_wait(condition, mutex) }
                return queue.isEmpty ? nil : queue.removeFirst()
            }
        }

        func work() {
            while let job = next() { job() }
        }
    }

    init(maximumThreads: Int) {
        self.maximumThreads = maximumThreads
    }

    /// Runs `work` on one of the threads.
    func submit(_ work: @escaping @Sendable () -> Void) {
        shared.locked {
            shared.queue.append(work)
            if shared.idle < shared.queue.count, shared.threads.count < maximumThreads { startThread() }
            pthread_cond_signal(shared.condition)
        }
    }

    /// Starts a thread, with the mutex held. Signals stay with the threads that the program made.
    private func startThread() {
        var all = sigset_t()
        var previous = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &previous)
        defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(shared)
        let result = pthread_create(
            &thread,
            nil,
            { context in
                Unmanaged<Shared>.fromOpaque(context!).takeRetainedValue().work()
                return nil
            },
            context.toOpaque()
        )
        guard result == 0 else {
            context.release()
            // With another thread running the work only waits longer; with none it would wait for ever.
            precondition(!shared.threads.isEmpty, "no thread can be started (errno \(result))")
            return
        }
        shared.threads.append(thread)
    }

    /// Lets the threads finish what they do and waits for them.
    deinit {
        let threads = shared.locked {
            shared.isClosed = true
            pthread_cond_broadcast(shared.condition)
            return shared.threads
        }
        for thread in threads { pthread_join(thread, nil) }
    }
}
