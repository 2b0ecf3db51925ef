#include "CLinuxCancellation.h"

#define SWIFT __attribute__((swiftcall))

// Of the Swift runtime.
typedef SWIFT void handler_function(__attribute__((swift_context)) void *context);
SWIFT void *swift_task_addCancellationHandler(handler_function *handler, void *context);
SWIFT void swift_task_removeCancellationHandler(void *record);
SWIFT _Bool swift_task_isCancelled(void *task);

static void (*callback)(void *context);

static SWIFT void call(__attribute__((swift_context)) void *context) { callback(context); }

void clinux_set_cancellation_callback(void (*function)(void *context)) { callback = function; }
void *clinux_add_cancellation_handler(void *context) { return swift_task_addCancellationHandler(call, context); }
void clinux_remove_cancellation_handler(void *record) { swift_task_removeCancellationHandler(record); }
_Bool clinux_task_is_cancelled(void *task) { return swift_task_isCancelled(task); }
