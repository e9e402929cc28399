/* The last lines of what a child writes to standard error, passed on to our own as they come.
 * No allocation; one thread.
 */
#ifndef ATTUNE_WORKER_TAIL_H
#define ATTUNE_WORKER_TAIL_H

#include <stdbool.h>
#include <stddef.h>

#define TAIL_BYTES 4096

struct tail
{
  char bytes[TAIL_BYTES]; /* a ring; all zero = empty */
  size_t written;         /* ever */
};

/* Takes what can be read from the non-blocking `fd` now. False at its end. */
bool tail_read(struct tail *tail, int fd);

/* The newest whole lines that fit in size - 1 bytes, with a NUL and without the last line's end. */
void tail_text(const struct tail *tail, char *text, size_t size);

#endif
