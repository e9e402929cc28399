/* The guardian: a child of attuned that keeps PostgreSQL and the engine running.
 *
 * It stays what attuned was at start (root, if so), while attuned drops its rights and serves. It hears
 * commands on a pipe and says what came of the start on another. When the command pipe closes, however
 * attuned ended, it stops the engine, then PostgreSQL, and ends. Dead children are started again.
 */
#ifndef ATTUNE_SERVER_GUARDIAN_H
#define ATTUNE_SERVER_GUARDIAN_H

#include "server/cluster.h"

/* What the guardian says once the cluster has started, or not. */
struct guardian_report
{
  enum err code;
  char text[512];
  char conninfo[CLUSTER_PATH_MAX];
};

/* The command: how many engine workers to run. */
struct guardian_command
{
  unsigned engine_count;
};

/* The guardian's whole life, in a child process just forked; returns the exit status. */
int guardian_main(struct cluster *cluster, const char *data_dir, int command_fd, int report_fd);

#endif
