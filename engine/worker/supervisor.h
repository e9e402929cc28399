/* The first process of attune-engine: one worker process per core, started again when it dies.
 *
 * Holds the write end of a pipe that every worker watches, so that workers never outlive it. Ends in order on
 * SIGTERM or SIGINT, and when the pipe it was given itself closes.
 */
#ifndef ATTUNE_WORKER_SUPERVISOR_H
#define ATTUNE_WORKER_SUPERVISOR_H

#define SUPERVISOR_PARENT_FD 3 /* where a worker finds its end of the pipe */

struct supervisor_options
{
  unsigned workers;
  int parent_fd;            /* -1 = none */
  char *const *worker_argv; /* how a worker is started, NULL-terminated */
};

/* Runs until it is to stop and all workers have ended. The exit status. */
int supervisor_main(const struct supervisor_options *options);

#endif
