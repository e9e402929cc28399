#include <config.h>

#include "sql/db_range.h"

#include <math.h>
#include <string.h>

#include "sql/db_work_internal.h"

/* ---- a job's own tests -------------------------------------------------------------------------------- */

struct addition
{
  const struct db_work_job *job;
  const struct db_range_wanted *wanted;
  size_t count;
};

static enum db_status
insert_test(struct db_conn *conn, const char *job_id, const struct db_range_wanted *wanted)
{
  static const struct db_statement insert = {
    "range_add", "INSERT INTO lr_range_test (id, tenant_id, dataset_id, dataset_version, spec,"
                 " family, params, job_id, point)"
                 " SELECT $2, tenant_id, dataset_id, dataset_version, spec, $3, $4, id, $5"
                 " FROM job WHERE id = $1"};
  char id[40];
  db_id_new("lrt_", id, sizeof id);
  return db_exec_none(conn, &insert,
                      DB_PARAMS(db_text(job_id), db_text(id), db_text(wanted->family),
                                db_json(wanted->params),
                                db_float8_array(wanted->point, wanted->point_count)));
}

static enum db_status
add(struct db_conn *conn, const struct addition *addition, struct arena *arena)
{
  struct work_job job;
  enum db_status status = work_job_lock(conn, addition->job->id, arena, &job);
  if (status != DB_ROWS)
    return status;
  if (!work_job_may(&job, JOB_TRY))
    return DB_NONE;
  if (strcmp(job.state, "queued") == 0)
    status = work_job_move(conn, &job, "running", "search");
  for (size_t i = 0; i < addition->count && status == DB_ROWS; i++)
    status = insert_test(conn, job.id, &addition->wanted[i]);
  return status == DB_ROWS ? db_notify(conn, "work", job.id) : status;
}

static enum db_status
add_in_tx(struct db_conn *conn, void *context)
{
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return DB_HARD;
  enum db_status status = add(conn, context, arena);
  arena_free(arena);
  return status;
}

enum db_status
db_range_add(struct db_conn *conn, const struct db_work_job *job,
             const struct db_range_wanted *wanted, size_t count)
{
  struct addition addition = {.job = job, .wanted = wanted, .count = count};
  return db_tx_run(conn, "range_add", add_in_tx, &addition);
}

/* ---- the end of a test ---------------------------------------------------------------------------------- */

struct owner
{
  const char *job_id, *family;
};

/* What is written of a test under its lease. */
struct ending
{
  const struct db_work_lease *lease;
  const char *result; /* NULL: it has none and failed */
  double rate, seconds;
  const char *reason;
};

static enum db_status
find_owner(struct db_conn *conn, const struct db_work_lease *lease, struct arena *arena,
           struct owner *owner)
{
  static const struct db_statement get = {"range_owner", "SELECT job_id, family FROM lr_range_test"
                                                         " WHERE number = $1 AND lease_token = $2"
                                                         " AND state = 'running'"};
  static const struct db_column columns[] = {{DB_TEXT, offsetof(struct owner, job_id), 0},
                                             {DB_TEXT, offsetof(struct owner, family), 0}};
  return db_exec_one(conn, &get, DB_PARAMS(db_int8(lease->unit_id), db_int8(lease->lease_token)),
                     DB_COLUMNS(columns), arena, owner);
}

static enum db_status
store(struct db_conn *conn, const struct ending *ending)
{
  static const struct db_statement done = {
    "range_finish", "UPDATE lr_range_test SET state = 'succeeded', result = $3, seconds = $4,"
                    " rate = $5, ended_at = now(), lease_until = NULL"
                    " WHERE number = $1 AND lease_token = $2 AND state = 'running'"};
  return db_exec_none(conn, &done,
                      DB_PARAMS(db_int8(ending->lease->unit_id),
                                db_int8(ending->lease->lease_token), db_text(ending->result),
                                db_float8(ending->seconds), db_float8(ending->rate)));
}

static enum db_status
fail(struct db_conn *conn, const struct ending *ending)
{
  static const struct db_statement failed = {
    "range_fail", "UPDATE lr_range_test SET state = 'failed', ended_at = now(), lease_until = NULL,"
                  " problem = jsonb_build_object('code', 'range_test_failed', 'detail', $3::text)"
                  " WHERE number = $1 AND lease_token = $2 AND state = 'running'"};
  return db_exec_none(conn, &failed,
                      DB_PARAMS(db_int8(ending->lease->unit_id),
                                db_int8(ending->lease->lease_token), db_text(ending->reason)));
}

/* An entry of the log of a job whose search goes on, and a line of the other log; the search has waited. The job's row
 * is locked. */
static enum db_status
tell_job(struct db_conn *conn, const struct work_job *job, const struct owner *owner,
         const struct ending *ending)
{
  static const struct db_statement believe = {
    "range_believe",
    "WITH counted AS (UPDATE job SET search_seq = search_seq + 1 WHERE id = $2"
    " RETURNING search_seq) UPDATE lr_range_test SET log_seq = search_seq FROM counted"
    " WHERE number = $1"};
  enum db_status status = DB_ROWS;
  bool found = ending->result != NULL && isfinite(ending->rate);
  if (found && strcmp(job->phase, "search") == 0)
    status =
      db_exec_none(conn, &believe, DB_PARAMS(db_int8(ending->lease->unit_id), db_text(job->id)));
  if (status == DB_ROWS && found)
    status = work_logged(db_job_log(conn, job->id, LOG_LEVEL_INFO, "search", 0,
                                    "range test of %s: rates around %.3g are believed in",
                                    owner->family, ending->rate));
  else if (status == DB_ROWS)
    status = work_logged(db_job_log(conn, job->id, LOG_LEVEL_INFO, "search", 0,
                                    "range test of %s: no rate to believe in%s%s", owner->family,
                                    ending->reason != NULL ? ": " : "",
                                    ending->reason != NULL ? ending->reason : ""));
  return status == DB_ROWS ? db_notify(conn, "work", job->id) : status;
}

static enum db_status
end_it(struct db_conn *conn, const struct ending *ending, struct arena *arena)
{
  struct owner owner;
  struct work_job job;
  enum db_status status = find_owner(conn, ending->lease, arena, &owner);
  if (status == DB_ROWS && owner.job_id != NULL)
    status = work_job_lock(conn, owner.job_id, arena, &job);
  if (status == DB_ROWS)
    status = ending->result != NULL ? store(conn, ending) : fail(conn, ending);
  return status == DB_ROWS && owner.job_id != NULL ? tell_job(conn, &job, &owner, ending) : status;
}

static enum db_status
end_in_tx(struct db_conn *conn, void *context)
{
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return DB_HARD;
  enum db_status status = end_it(conn, context, arena);
  arena_free(arena);
  return status;
}

enum db_status
db_range_finish(struct db_conn *conn, const struct db_work_lease *lease, const char *result,
                double rate, double seconds)
{
  struct ending ending = {.lease = lease, .result = result, .rate = rate, .seconds = seconds};
  return db_tx_run(conn, "range_finish", end_in_tx, &ending);
}

enum db_status
work_range_fail(struct db_conn *conn, const struct db_work_lease *lease, const char *reason)
{
  struct ending ending = {.lease = lease, .rate = NAN, .seconds = NAN, .reason = reason};
  return db_tx_run(conn, "range_end", end_in_tx, &ending);
}
