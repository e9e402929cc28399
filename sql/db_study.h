/* Studies: ask and tell for anyone's own training code. A study's log is the one truth of its search: entries are
 * numbered under the lock of the study's row, and every state of the search is a fold over them.
 */
#ifndef ATTUNE_SQL_DB_STUDY_H
#define ATTUNE_SQL_DB_STUDY_H

#include "sql/db_insight.h"

struct db_study
{
  const char *id;
  const char *name;
  const char *spec; /* JSON text, as it was inserted */
  int64_t log_seq;
  int trials_total, trials_running, trials_paused, trials_done, trials_pruned, trials_failed,
    trials_forgotten;
  int64_t created_us;
};

/* DB_ROWS also when the id is there already: an earlier run whose answer was lost. */
enum db_status db_study_insert(struct db_conn *conn, const char *id, const char *tenant_id,
                               const char *name, const char *spec);
enum db_status db_study_get(struct db_conn *conn, const char *tenant_id, const char *id,
                            struct arena *arena, struct db_study *study);
enum db_status db_study_list(struct db_conn *conn, const char *tenant_id, const char *cursor,
                             size_t limit, struct arena *arena, struct db_study **studies,
                             size_t *count);
enum db_status db_study_count(struct db_conn *conn, const char *tenant_id, size_t *count);
/* It is gone from now on; its trials and its log go with the sweeps. */
enum db_status db_study_delete(struct db_conn *conn, const char *tenant_id, const char *id);
/* Drops a piece of what deleted studies have left; DB_NONE when nothing is left. Outside a transaction. */
enum db_status db_study_sweep(struct db_conn *conn);

/* ---- under the lock ---------------------------------------------------------------------------------- */

struct db_study_head
{
  const char *id;
  const char *spec;
  int64_t log_seq;
  int trial_count;
  int trials_forgotten;
};

/* Inside a transaction: locks the study until its end, which may be a minute away while a suggestion is
 * computed. `with_spec` = false leaves the spec NULL. */
enum db_status db_study_lock(struct db_conn *conn, const char *tenant_id, const char *id,
                             bool with_spec, struct arena *arena, struct db_study_head *head);

enum db_study_kind
{
  DB_STUDY_ASK,      /* a new trial at `point` */
  DB_STUDY_CONTINUE, /* a paused trial goes on */
  DB_STUDY_MEASURE,  /* values[0] at `step` */
  DB_STUDY_TELL,     /* the trial's values and constraints */
  DB_STUDY_FAILED,   /* it failed: bad there */
  DB_STUDY_FORGET,   /* nothing is known: its client vanished */
  DB_STUDY_PRUNE     /* ended early, its curve counts */
};

struct db_study_entry
{
  int64_t seq;
  enum db_study_kind kind;
  int number; /* of the trial */
  const double *point;
  size_t point_count;
  double step;          /* NaN = none */
  const double *values; /* as the caller told them: not negated */
  size_t value_count;
  const double *constraints;
  size_t constraint_count;
  double seconds; /* NaN = unknown */
};

/* Entries after `after`, in order, at most `limit`. */
enum db_status db_study_log(struct db_conn *conn, const char *study_id, int64_t after, size_t limit,
                            struct arena *arena, struct db_study_entry **entries, size_t *count);
/* Inside a transaction that holds the lock: entry->seq is the number after the last. An ask raises the count of
 * trials. */
enum db_status db_study_append(struct db_conn *conn, const char *study_id,
                               const struct db_study_entry *entry);

/* ---- trials ------------------------------------------------------------------------------------------- */

struct db_study_trial
{
  const char *id;
  int number;
  const char *client_id;
  const char *params; /* JSON text */
  const char *state;
  double from_step, until_step; /* NaN = none; so are the next ones */
  double step, measured;
  int measures;
  const double *values;
  size_t value_count;
  const double *constraints;
  size_t constraint_count;
  const char *reason; /* or NULL */
  double seconds;
  int64_t created_us, ended_us;
};

/* One trial by its id. */
enum db_status db_study_trial_get(struct db_conn *conn, const char *tenant_id, const char *study_id,
                                  const char *trial_id, struct arena *arena,
                                  struct db_study_trial *trial);
enum db_status db_study_trial_number(struct db_conn *conn, const char *study_id, int number,
                                     struct arena *arena, struct db_study_trial *trial);
/* Those after the given number; state NULL = any. */
enum db_status db_study_trial_list(struct db_conn *conn, const char *tenant_id,
                                   const char *study_id, const char *state, int after, size_t limit,
                                   struct arena *arena, struct db_study_trial **trials,
                                   size_t *count);
/* The best done trials by their first value, at most `limit`; those with a constraint above 0 are left out. */
enum db_status db_study_trial_best(struct db_conn *conn, const char *study_id, bool maximize,
                                   size_t limit, struct arena *arena,
                                   struct db_study_trial **trials, size_t *count);
/* What a client still runs, oldest first, and says that it was heard of. Inside a transaction that holds the lock, as
 * all below. */
enum db_status db_study_trial_open(struct db_conn *conn, const char *study_id,
                                   const char *client_id, size_t limit, struct arena *arena,
                                   struct db_study_trial **trials, size_t *count);
/* Numbers of the running trials whose clients were not heard of for so long. */
enum db_status db_study_trial_lost(struct db_conn *conn, const char *study_id, double seconds,
                                   struct arena *arena, int **numbers, size_t *count);
enum db_status db_study_trial_insert(struct db_conn *conn, const char *study_id,
                                     const struct db_study_trial *trial);
/* A paused trial goes on with this client, from and until these steps. */
enum db_status db_study_trial_continue(struct db_conn *conn, const char *study_id,
                                       const struct db_study_trial *trial);
/* A measure was taken: `paused` = it is to wait at its rung. */
enum db_status db_study_trial_measured(struct db_conn *conn, const char *study_id, int number,
                                       double step, double value, bool paused);
/* The end: values and constraints may be none, reason NULL. */
enum db_status db_study_trial_end(struct db_conn *conn, const char *study_id, int number,
                                  const char *state, const struct db_study_entry *entry,
                                  const char *reason);

/* What was tried, for questions about the search: the trials that are done, failed or at work, those that ended
 * first and in the order of their ends. Of more than `most` ended ones (at least 2) the best half of `most`,
 * and an even choice of the others from good to bad. */
enum db_status db_study_points(struct db_conn *conn, const char *study_id, bool maximize,
                               size_t most, struct arena *arena, struct db_insight_trial **points,
                               size_t *count);

struct db_study_measure
{
  double step, value;
  int64_t at_us;
};
/* A trial's curve, in the order of its steps. */
enum db_status db_study_curve(struct db_conn *conn, const char *study_id, int number,
                              struct arena *arena, struct db_study_measure **measures,
                              size_t *count);

#endif
