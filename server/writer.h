/* A thread that writes behind: it writes to the database what the request threads gathered in memory, so that no
 * request waits for it. Used by the audit, the usage counters and the log of predictions.
 */
#ifndef ATTUNE_SERVER_WRITER_H
#define ATTUNE_SERVER_WRITER_H

#include <stdbool.h>

#include "base/err.h"

struct writer;

/* Called by the writer's thread alone. `all`: somebody waits for it, or it is the last time. False when not
 * everything was written. */
typedef bool writer_write(void *context, bool all);

/* Calls `write` every `seconds`. The context is borrowed until writer_stop. ERR_MEMORY. */
enum err writer_start(writer_write *write, void *context, double seconds, struct writer **writer,
                      struct err_info *info);
/* Has everything written now, which it waits for at most so long. False when that didn't succeed. Any thread. */
bool writer_flush(struct writer *writer, double seconds);
/* Has everything written for the last time, ends the thread and frees. NULL is ignored. */
void writer_stop(struct writer *writer);

#endif
