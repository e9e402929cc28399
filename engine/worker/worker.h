/* One worker process: claims work, runs it in trial processes, records what came of it.
 *
 * Uses one core at a time through its trial process; itself it only waits, chooses the next trial and talks to the
 * database. Stops on SIGTERM or when its supervisor is gone, giving its unit back.
 */
#ifndef ATTUNE_WORKER_WORKER_H
#define ATTUNE_WORKER_WORKER_H

#include <stdint.h>

#include "base/err.h"

struct worker_options
{
  const char *database; /* conninfo */
  const char *data_dir;
  unsigned workers;      /* of this engine */
  uint64_t memory_bytes; /* of one trial; 0 = no limit */
  double trial_seconds;  /* the most one fit may take */
  uint64_t cache_bytes;
  int parent_fd; /* its other end is the supervisor's; -1 = none */
};

/* Runs until it is to stop. The exit status. */
int worker_main(const struct worker_options *options);

#endif
