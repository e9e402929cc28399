/* A standalone attuned: the private PostgreSQL cluster and the engine under one data directory.
 *
 * standalone_start locks the data directory, starts (or adopts) the cluster, leaves a guardian process that
 * keeps PostgreSQL and the engine running, and, as root, drops to the `attune` account. It forks, so it
 * must be called before any thread exists. The guardian stops everything in order when attuned ends, however
 * it ends. One per process; not thread-safe.
 */
#ifndef ATTUNE_SERVER_STANDALONE_H
#define ATTUNE_SERVER_STANDALONE_H

#include <stddef.h>

#include "base/err.h"
#include "base/options.h"

struct standalone;

/* Makes the data directory if needed and starts the cluster in it. Options read: db-user. ERR_CONFLICT when
 * another attuned holds the directory (the text names its process); ERR_UNAVAILABLE when PostgreSQL is not
 * installed, can't start, or the cluster is of a version that is not there. */
enum err standalone_start(const struct options *options, const char *data_dir,
                          struct standalone **standalone, struct err_info *info);

/* How to connect to the cluster; lives as long as the standalone. */
const char *standalone_conninfo(const struct standalone *standalone);

/* Starts `count` engine workers (the schema must be there); the guardian restarts them. The engine gets
 * --database, --data-dir, --workers, and its other options from the ATTUNE_* environment. */
enum err standalone_start_engines(struct standalone *standalone, unsigned count,
                                  struct err_info *info);

/* Readable when the guardian has died, which leaves nobody to keep the cluster: stop then. */
int standalone_watch_fd(const struct standalone *standalone);

/* Ends the engine, then PostgreSQL (waits up to 30 s), and frees. */
void standalone_stop(struct standalone *standalone);

/* The conninfo that a running attuned left in its data directory, for --sign-in-url.
 * ERR_NOT_FOUND when none is running there. */
enum err standalone_read_conninfo(const char *data_dir, char *conninfo, size_t size,
                                  struct err_info *info);

#endif
