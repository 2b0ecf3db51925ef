// What `withTaskCancellationHandler` calls, for a wait that can do without the rest of it (docs/decisions/0005).
#pragma once

// Says what a cancellation calls. Must come before the first handler is added, and once in a process: there is no lock. It is
// a variable and not an argument of each handler because Swift's runtime keeps one word a handler, which is the context.
void clinux_set_cancellation_callback(void (*function)(void *context));

// Has the callback called with `context` when the current task is cancelled, which may be now, and from any thread. Returns a
// record for the removal, which has to come before the task's function that added it returns.
void *clinux_add_cancellation_handler(void *context);
void clinux_remove_cancellation_handler(void *record);

// Whether a task is cancelled, of which the caller knows that it is alive: `Task.isCancelled` would count references to it.
_Bool clinux_task_is_cancelled(void *task);
