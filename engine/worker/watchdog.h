/* A thread of a worker that ends its trial when nothing else can.
 *
 * The worker's main thread may hang in a call to the database. This thread kills the trial process when no
 * heartbeat was acknowledged for WATCHDOG_SILENCE_S (another worker may have claimed the unit by then),
 * and ends the worker when the supervisor's pipe closes. One per process; owns its thread.
 */
#ifndef ATTUNE_WORKER_WATCHDOG_H
#define ATTUNE_WORKER_WATCHDOG_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define WATCHDOG_SILENCE_S 10.0

struct watchdog;

/* parent_fd: read end whose other end the supervisor holds; -1 = none. */
enum err watchdog_start(int parent_fd, struct watchdog **watchdog, struct err_info *info);
void watchdog_free(struct watchdog *watchdog);

/* Whether the worker should stop: asked by watchdog_ask_stop (safe in a signal handler), or its supervisor is gone. */
bool watchdog_stopping(const struct watchdog *watchdog);
void watchdog_ask_stop(void);

/* Guards a trial process from now on; a heartbeat was acknowledged just now; the process was reaped. */
void watchdog_guard(struct watchdog *watchdog, pid_t pid);
void watchdog_heard(struct watchdog *watchdog);
void watchdog_release(struct watchdog *watchdog);

/* True when the guarded process was killed for silence (until the next watchdog_guard). */
bool watchdog_fired(struct watchdog *watchdog);

#endif
