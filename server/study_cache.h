/* Live studies in memory, each used by one request at a time, and the way of every change: into the log of the
 * database, under the lock of the study's row.
 *
 * Within a process a study is entered before its row is locked, so that at most one thread waits for that lock; who
 * finds a study busy gets a ticket, parks its request under the ticket's key and is woken when its turn has come. The
 * studies used longest ago go when they are too many or take too much memory; what is missing is read from the log
 * again, entry by entry, with the same outcome. Thread-safe.
 */
#ifndef ATTUNE_SERVER_STUDY_CACHE_H
#define ATTUNE_SERVER_STUDY_CACHE_H

#include "server/study_live.h"

struct study_cache;
struct study_entry;

/* `wake` is called with the key of a ticket whose turn has come. NULL when out of memory. */
struct study_cache *study_cache_new(size_t max_bytes, void (*wake)(void *context, const char *key),
                                    void *context);
void study_cache_free(struct study_cache *cache);

/* Enters a study; NULL when another request is in it. Then *ticket, 0 before the first try, says where this one stands
 * in the queue. */
struct study_entry *study_cache_enter(struct study_cache *cache, const char *study_id,
                                      uint64_t *ticket);
void study_cache_leave(struct study_cache *cache, struct study_entry *entry);

#define STUDY_KEY_SIZE 32
void study_cache_key(uint64_t ticket, char key[STUDY_KEY_SIZE]);

/* Calls fn in a transaction in which the study is locked and *live has all of its log. fn changes the study
 * only through study_change; it may be called several times. DB_NONE: there is no such study, or fn said so. On
 * DB_HARD `info` may have the reason. Statuses are db_tx_run's. */
struct study_turn
{
  struct db_conn *conn;
  struct study_live *live;
  const struct db_study_head *head;
  struct arena *arena; /* of this call */
  unsigned attempt;    /* 0 = the first call */
};
enum db_status study_cache_run(struct study_entry *entry, struct db_conn *conn,
                               const char *tenant_id, const char *study_id,
                               enum db_status (*fn)(struct study_turn *turn, void *context),
                               void *context, struct err_info *info);

/* Within fn: folds an entry (its seq is filled in) and appends it to the log. `folded` says that the search has it
 * already, since it was the search's own suggestion. ERR_CONFLICT, ERR_INVALID, ERR_NOT_FOUND: the search refuses it,
 * nothing was changed. *status is what the database said; the error is ERR_UNAVAILABLE unless that is DB_ROWS. */
enum err study_change(struct study_turn *turn, struct db_study_entry *entry, bool folded,
                      enum db_status *status, struct err_info *info);

/* For /metrics: studies and their bytes in memory, changes that found theirs, and times one was read from its log. */
void study_cache_stats(struct study_cache *cache, size_t *studies, size_t *bytes, uint64_t *hits,
                       uint64_t *misses);

#endif
