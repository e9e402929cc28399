/* Learning-rate range tests: inserted and read by the server, worked on by the engine.
 *
 * The engine's part goes by the rules of db_work.h: a claim raises the lease token, every write says which token it
 * holds and is refused (DB_NONE) when that is old. The unit of a lease is the test's number. A test that is taken up
 * again starts over.
 */
#ifndef ATTUNE_SQL_DB_RANGE_H
#define ATTUNE_SQL_DB_RANGE_H

#include "sql/db_work.h"

struct db_range_test
{
  const char *id;
  const char *tenant_id;
  const char *dataset_id;
  int dataset_version;
  const char *spec; /* JSON text, as of a job of this family alone */
  const char *family;
  const char *params;           /* JSON text */
  const char *job_id;           /* whose search asked for it; NULL = a caller did */
  double low, high;             /* NaN = by the optimizer */
  int steps;                    /* 0 = by the length of a whole run */
  const char *state;            /* queued, running, succeeded, failed */
  const char *problem, *result; /* JSON text or NULL; lists leave the result's curve out */
  double seconds;               /* NaN before its end */
  int64_t created_us, started_us, ended_us; /* 0 = not yet */
};

/* Inserts a queued test (its members before the state, but for a job) and notifies "work". DB_NONE when the
 * dataset is gone or not ready. One that is there already is this call's own, run again. */
enum db_status db_range_insert(struct db_conn *conn, const struct db_range_test *test);
enum db_status db_range_get(struct db_conn *conn, const char *tenant_id, const char *id,
                            struct arena *arena, struct db_range_test *test);
enum db_status db_range_list(struct db_conn *conn, const char *tenant_id, const char *cursor,
                             size_t limit, struct arena *arena, struct db_range_test **tests,
                             size_t *count);
/* Those of callers that are queued or running. */
enum db_status db_range_count_live(struct db_conn *conn, const char *tenant_id, size_t *count);

/* ---- the engine's side ------------------------------------------------------------------------------- */

struct db_range_unit
{
  const char *test_id;
  struct db_work_unit unit; /* lease, tenant, dataset, spec, family, parameters; job NULL = none */
  double low, high;         /* NaN = by the optimizer */
  int steps;                /* 0 = by rule */
};

struct db_range_wanted
{
  const char *family, *params; /* params: JSON text */
  const double *point;         /* of the job's space */
  size_t point_count;
};
/* Adds the tests of a job's search, which waits for their ends, and moves a queued job to running. Within
 * db_work_with_job. DB_NONE when the job takes no more work. */
enum db_status db_range_add(struct db_conn *conn, const struct db_work_job *job,
                            const struct db_range_wanted *wanted, size_t count);

/* Claims one queued or expired test, of the tenant with the fewest at work, then the oldest. One that has failed
 * DB_WORK_MAX_ATTEMPTS times is ended instead. */
enum db_status db_range_claim(struct db_conn *conn, const char *worker, struct arena *arena,
                              struct db_range_unit *unit);
/* As db_work_heartbeat; the pulse asks to stop when the test's job does not need it now, or any more. */
enum db_status db_range_heartbeat(struct db_conn *conn, const struct db_work_lease *lease,
                                  struct db_work_pulse *pulse);
/* Records the result, JSON text, and the rate it found (NaN = none): of a job whose search goes on that is an entry
 * "believe" of its log. */
enum db_status db_range_finish(struct db_conn *conn, const struct db_work_lease *lease,
                               const char *result, double rate, double seconds);
/* As db_work_end_unit, but nothing is cancelled: DB_WORK_CANCELLED is DB_WORK_FAILED. */
enum db_status db_range_end(struct db_conn *conn, const struct db_work_lease *lease,
                            enum db_work_end how, const char *reason);
/* Puts back, as DB_WORK_RETRY, what is leased to a worker known to be dead. DB_NONE when nothing was. */
enum db_status db_range_end_worker(struct db_conn *conn, const char *worker, const char *reason);

#endif
