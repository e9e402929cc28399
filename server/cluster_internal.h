/* What cluster.c, which starts and ends PostgreSQL, and cluster_make.c, which finds and makes what it needs, share. */
#ifndef ATTUNE_SERVER_CLUSTER_INTERNAL_H
#define ATTUNE_SERVER_CLUSTER_INTERNAL_H

#include "server/cluster.h"

/* Runs one of PostgreSQL's programs to its end as the cluster's owner, its output going to the cluster's log;
 * argv[0] is filled in. ERR_UNAVAILABLE with a sentence when it failed. */
enum err cluster_run(const struct cluster *cluster, const char *program, char *argv[],
                     struct err_info *info);

/* The major version a cluster was made by, 0 when there is no cluster. */
int cluster_version(const char *pgdata);

/* Made beside its place and moved there, so that a creation that was cut off is simply begun anew. */
enum err cluster_create(const struct cluster *cluster, struct err_info *info);

/* Writes PostgreSQL's configuration. */
enum err cluster_configure(const struct cluster *cluster, struct err_info *info);

/* Makes role and database; both may be there from an earlier, interrupted start. */
enum err cluster_make_database(const struct cluster *cluster, struct err_info *info);

#endif
