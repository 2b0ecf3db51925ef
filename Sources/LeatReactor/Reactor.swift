import Glibc

/// The wheel: what is watched, what is due, and how to wait for the next of either.
///
/// A reactor is synchronous and knows no tasks. ``turn(mayWait:)`` waits at most once, tells the sources whose
/// descriptors became ready, and fires the timers that are due, all with one reading of the clock.
package final class Reactor {
    package let clock: ReactorClock
    package let poller: Poller
    package let wakeup: Wakeup
    private let alarm: DeadlineAlarm
    @exclusivity(unchecked) private var timers = TimerHeap()
    /// Pieces of work that other threads do for this loop: while there are any, a manual clock does not jump.
    package var workElsewhere = 0
    @exclusivity(unchecked) private var turnTime: LoopInstant
    /// The time of this turn: read once, after the wait. Not stored under this name, for another module's access to a stored
    /// property is checked for exclusivity at run time, and a call is not.
    package var now: LoopInstant { turnTime }
    @exclusivity(unchecked) private var turnTimeBefore: LoopInstant
    /// The time of the turn before this one; of the reactor's beginning in its first turn.
    ///
    /// An I/O deadline counts as passed only when it had already passed in the previous turn, so that everything pending has
    /// been delivered once.
    package var previousTurnTime: LoopInstant { turnTimeBefore }

    package init(clock: ReactorClock = .monotonic) throws(SystemError) {
        self.clock = clock
        turnTime = clock.now
        turnTimeBefore = turnTime
        poller = try Poller()
        wakeup = try Wakeup()
        alarm = try DeadlineAlarm()
        try poller.add(wakeup)
        try poller.add(alarm)
        if case .manual(let manual) = clock {
            manual.whenMoved { [weak wakeup] in wakeup?.signal() }
        }
    }

    /// Removes what the reactor itself registered, so that its descriptors close with it.
    deinit {
        poller.remove(wakeup)
        poller.remove(alarm)
    }

    // MARK: Timers

    package var timerCount: Int { timers.count }
    package var alarmSettings: UInt64 { alarm.settings }

    package func set(_ timer: LoopTimer, at deadline: LoopInstant) {
        timers.insert(timer, at: deadline)
    }

    package func cancel(_ timer: LoopTimer) {
        timers.remove(timer)
    }

    // MARK: Turning

    /// Waits until something happens, or only looks if `mayWait` is false. Returns the number of events.
    ///
    /// Nothing that is pending is late: before a timer fires, every event that the kernel had when the clock was read has been
    /// delivered. The first poll alone does not ensure that. Its array may have been too small, a signal may have interrupted
    /// it (as SIGSTOP and SIGCONT do), and the process may have stood still after it.
    @discardableResult
    package func turn(mayWait: Bool) -> Int {
        var events = mayWait ? wait() : poller.poll(milliseconds: 0)
        turnTimeBefore = turnTime
        turnTime = clock.now
        if let deadline = timers.earliest, deadline <= turnTime {
            events += poller.pollAll()
            fireDueTimers()
        }
        return events
    }

    private func wait() -> Int {
        guard let deadline = timers.earliest else { return poller.poll(milliseconds: -1) }
        switch clock {
        case .monotonic:
            // Due already: look, do not sleep. `now` is old by as long as the ready work took, which errs the safe way.
            guard deadline > now else { return poller.poll(milliseconds: 0) }
            alarm.arm(for: deadline)
            return poller.poll(milliseconds: -1)
        case .manual(let manual):
            guard deadline > manual.now else { return poller.poll(milliseconds: 0) }
            guard manual.autojump, workElsewhere == 0 else { return poller.poll(milliseconds: -1) }
            let events = lookTwice(before: deadline, manual)
            if events == 0 { manual.jump(to: deadline) }
            return events
        }
    }

    /// Polls before a manual clock jumps. Bytes between two sockets of this process may still be on their way: on a busy machine
    /// a thread of the kernel (ksoftirqd) delivers them, and it has to get its turn on the processor. It gets more time before
    /// a long jump, which is often a timeout, than before one of the many short ones.
    private func lookTwice(before deadline: LoopInstant, _ manual: ManualClock) -> Int {
        let events = poller.poll(milliseconds: 0)
        if events > 0 { return events }
        if manual.now.duration(to: deadline) >= .seconds(1) { return poller.poll(milliseconds: 3) }
        usleep(50)
        return poller.poll(milliseconds: 0)
    }

    private func fireDueTimers() {
        // What a firing timer sets anew is not fired in the same turn, so a timer that re-arms itself cannot hold it.
        var budget = timers.count
        while budget > 0, let timer = timers.popDue(at: now) {
            timer.fire(at: now)
            budget -= 1
        }
    }
}
