/* One private PostgreSQL cluster: found, created, configured, started, stopped. No SQL is spoken here:
 * PostgreSQL's own programs do the work. Used by the guardian process only (single thread).
 */
#ifndef ATTUNE_SERVER_CLUSTER_H
#define ATTUNE_SERVER_CLUSTER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define CLUSTER_PATH_MAX 512

/* An account to run as: the caller's own, or another when root. */
struct cluster_account
{
  char name[64];
  uid_t uid;
  gid_t gid;
};

struct cluster
{
  char pgdata[CLUSTER_PATH_MAX];
  char log[CLUSTER_PATH_MAX]; /* what programs say while starting */
  char bindir[CLUSTER_PATH_MAX];
  char socket_dir[CLUSTER_PATH_MAX]; /* short: a socket path has 107 bytes */
  char conninfo[CLUSTER_PATH_MAX];
  struct cluster_account owner;  /* runs PostgreSQL; never root */
  struct cluster_account client; /* attuned and the engine after dropping */
  bool switch_user;              /* we are root */
  pid_t postmaster;              /* 0 = none */
  bool adopted;                  /* not our child */
};

/* Fills *account; ERR_NOT_FOUND when there is none of that name. */
enum err cluster_account_find(const char *name, struct cluster_account *account);

/* Settles paths, accounts and PostgreSQL's programs for a data directory that exists. */
enum err cluster_prepare(struct cluster *cluster, const char *data_dir, struct err_info *info);

/* Creates the cluster unless it is there (an interrupted creation is begun anew), writes its
 * configuration, starts or adopts its postmaster, waits until it answers, makes role and database. */
enum err cluster_start(struct cluster *cluster, struct err_info *info);

/* Starts a postmaster again after it has died, ending leftover backends first. */
enum err cluster_restart(struct cluster *cluster, struct err_info *info);

/* True while the postmaster lives; reaps it when it has ended. */
bool cluster_is_alive(struct cluster *cluster);

/* Fast shutdown, immediate after 30 s; removes the socket directory. */
void cluster_stop(struct cluster *cluster);

#endif
