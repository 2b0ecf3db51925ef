#include "CLinuxCancellation.h"

#define SWIFT __attribute__((swiftcall))

// Of the Swift runtime.
typedef SWIFT void handler_function(__attribute__((swift_context)) void *context);
SWIFT void *swift_task_addCancellationHandler(handler_function *handler, void *context);
SWIFT void swift_task_removeCancellationHandler(void *record);

// Of LeatLoop.
void leat_task_was_cancelled(void *context);

static SWIFT void call(__attribute__((swift_context)) void *context) { leat_task_was_cancelled(context); }

void *clinux_add_cancellation_handler(void *context) { return swift_task_addCancellationHandler(call, context); }
void clinux_remove_cancellation_handler(void *record) { swift_task_removeCancellationHandler(record); }
