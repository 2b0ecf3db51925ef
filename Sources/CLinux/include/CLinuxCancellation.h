// What `withTaskCancellationHandler` calls, for a wait that can do without the rest of it (docs/decisions/0005).
#pragma once

// Calls `leat_task_was_cancelled(context)` when the current task is cancelled, which may be now, and from any thread. Returns a
// record for the removal, which has to come before the task's function that added it returns.
void *clinux_add_cancellation_handler(void *context);
void clinux_remove_cancellation_handler(void *record);
