#include <config.h>

#include "sql/db_work.h"

#include <math.h>
#include <string.h>

#include "sql/db_work_internal.h"

/* ---- jobs that want a trial ------------------------------------------------------------------------ */

/* A search waits for what its range tests have to say. */
#define NO_TEST_UNDER_WAY                                                                          \
  "NOT EXISTS (SELECT FROM lr_range_test r WHERE r.job_id = j.id"                                  \
  " AND r.state IN ('queued','running'))"

struct candidate
{
  const char *id;
};

static enum db_status
list_candidates(struct db_conn *conn, struct arena *arena, struct candidate **jobs, size_t *count)
{
  static const struct db_statement list = {
    "work_candidates",
    "SELECT j.id FROM job j WHERE j.state IN ('queued','running') AND j.phase = 'search'"
    " AND NOT j.cancel_requested AND NOT " WORK_SQL_PAST_SEARCH " AND " WORK_SQL_HAS_ROOM
    " AND NOT EXISTS (SELECT FROM unit p WHERE p.job_id = j.id AND (p.state = 'pending'"
    "   OR (p.state = 'leased' AND p.lease_until < now()))) AND " NO_TEST_UNDER_WAY
    " ORDER BY " WORK_SQL_TENANT_LOAD ", " WORK_SQL_JOB_LOAD ", j.created_at, j.id LIMIT 20"};
  static const struct db_column columns[] = {{DB_TEXT, offsetof(struct candidate, id), 0}};
  return db_exec_many(conn, &list, DB_NO_PARAMS, DB_COLUMNS(columns), arena, sizeof **jobs, jobs,
                      count);
}

/* The job if it still wants a trial, now that its advisory lock is ours. */
static enum db_status
read_job(struct db_conn *conn, const char *id, struct arena *arena, struct db_work_job *job)
{
  static const struct db_statement get = {
    "work_job",
    "SELECT j.id, j.tenant_id, j.state, j.spec, j.dataset_id, v.sha256, v.blob_id, v.bytes,"
    " j.trial_count, (SELECT count(*) FROM unit u WHERE u.job_id = j.id"
    "   AND u.state IN ('pending','leased'))::int,"
    " CASE WHEN b.excess > 0 THEN NULL ELSE j.best_value END, j.cancel_requested, " WORK_SQL_ELAPSED
    ", v.schema, EXISTS (SELECT FROM lr_range_test r WHERE r.job_id = j.id)"
    " FROM job j JOIN dataset_version v ON v.dataset_id = j.dataset_id"
    " AND v.version = j.dataset_version LEFT JOIN trial b ON b.id = j.best_trial_id"
    " WHERE j.id = $1 AND j.state IN ('queued','running') AND j.phase = 'search'"
    " AND NOT j.cancel_requested AND " WORK_SQL_HAS_ROOM
    " AND NOT EXISTS (SELECT FROM unit p WHERE p.job_id = j.id AND p.state = 'pending')"
    " AND " NO_TEST_UNDER_WAY};
  static const struct db_column columns[] = {
    {DB_TEXT, offsetof(struct db_work_job, id), 0},
    {DB_TEXT, offsetof(struct db_work_job, tenant_id), 0},
    {DB_TEXT, offsetof(struct db_work_job, state), 0},
    {DB_JSON, offsetof(struct db_work_job, spec), 0},
    {DB_TEXT, offsetof(struct db_work_job, dataset_id), 0},
    {DB_HASH, offsetof(struct db_work_job, dataset_sha256), 0},
    {DB_INT8, offsetof(struct db_work_job, dataset_blob), 0},
    {DB_UINT8, offsetof(struct db_work_job, dataset_bytes), 0},
    {DB_INT4, offsetof(struct db_work_job, trial_count), 0},
    {DB_INT4, offsetof(struct db_work_job, live_units), 0},
    {DB_FLOAT8, offsetof(struct db_work_job, best_value), 0},
    {DB_BOOL, offsetof(struct db_work_job, cancel_requested), 0},
    {DB_FLOAT8, offsetof(struct db_work_job, elapsed_s), 0},
    {DB_JSON, offsetof(struct db_work_job, schema), 0},
    {DB_BOOL, offsetof(struct db_work_job, has_tests), 0}};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(id)), DB_COLUMNS(columns), arena, job);
}

struct asking
{
  struct arena *arena;
  enum db_status (*decide)(struct db_conn *conn, const struct db_work_job *job, void *context);
  void *context;
};

static enum db_status
ask_jobs(struct db_conn *conn, void *context)
{
  static const struct db_statement try_lock = {
    "work_try_lock", "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 7))"};
  const struct asking *asking = context;
  struct candidate *jobs = NULL;
  size_t count = 0;
  enum db_status status = list_candidates(conn, asking->arena, &jobs, &count);
  if (status != DB_ROWS)
    return status;
  status = DB_NONE;
  for (size_t i = 0; i < count && status == DB_NONE; i++)
  {
    bool locked = false;
    struct db_work_job job;
    status = db_exec_one(conn, &try_lock, DB_PARAMS(db_text(jobs[i].id)), DB_SCALAR(DB_BOOL), NULL,
                         &locked);
    if (status == DB_ROWS)
      status = locked ? read_job(conn, jobs[i].id, asking->arena, &job) : DB_NONE;
    if (status == DB_ROWS)
      status = asking->decide(conn, &job, asking->context);
  }
  return status;
}

enum db_status
db_work_with_job(struct db_conn *conn, struct arena *arena,
                 enum db_status (*decide)(struct db_conn *conn, const struct db_work_job *job,
                                          void *context),
                 void *context)
{
  struct asking asking = {.arena = arena, .decide = decide, .context = context};
  return db_tx_run(conn, "work_with_job", ask_jobs, &asking);
}

/* ---- the search log ---------------------------------------------------------------------------------- */

struct log_row
{
  int64_t seq;
  const char *kind;
  int number;
  const double *point;
  size_t point_count;
  int rung;
  double objective, seconds, predict_us, model_bytes, train_us, rate;
};

static enum db_work_log_kind
log_kind(const char *kind)
{
  static const struct
  {
    const char *name;
    enum db_work_log_kind kind;
  } kinds[] = {{"ask", DB_LOG_ASK},           {"done", DB_LOG_TELL},
               {"failed", DB_LOG_FAILED},     {"measure", DB_LOG_MEASURE},
               {"continue", DB_LOG_CONTINUE}, {"pruned", DB_LOG_PRUNE},
               {"believe", DB_LOG_BELIEVE}};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    if (strcmp(kind, kinds[i].name) == 0)
      return kinds[i].kind;
  return DB_LOG_FORGET;
}

enum db_status
db_work_log(struct db_conn *conn, const char *job_id, int64_t after, struct arena *arena,
            struct db_work_log_entry **entries, size_t *count)
{
  static const struct db_statement list = {
    "work_log",
    "SELECT ask_seq AS seq, 'ask' AS kind, number, point, 0, NULL::float8, NULL::float8,"
    " NULL::float8, NULL::float8, NULL::float8, NULL::float8"
    " FROM trial WHERE job_id = $1 AND ask_seq > $2"
    " UNION ALL SELECT tell_seq, state, number, NULL, 0, objective, seconds,"
    " predict_us, model_bytes::float8,"
    " (SELECT avg((u.result->>'train_us')::float8) FROM unit u WHERE u.trial_id = trial.id), NULL"
    " FROM trial WHERE job_id = $1 AND tell_seq > $2"
    " UNION ALL SELECT r.seq, r.kind, t.number, NULL, r.rung, r.objective, r.seconds,"
    " NULL, NULL, NULL, NULL"
    " FROM trial_rung r JOIN trial t ON t.id = r.trial_id"
    " WHERE r.job_id = $1 AND r.seq > $2"
    " UNION ALL SELECT log_seq, 'believe', 0, point, 0, NULL, NULL, NULL, NULL, NULL, rate"
    " FROM lr_range_test WHERE job_id = $1 AND log_seq > $2 ORDER BY 1"};
  static const struct db_column columns[] = {
    {DB_INT8, offsetof(struct log_row, seq), 0},
    {DB_TEXT, offsetof(struct log_row, kind), 0},
    {DB_INT4, offsetof(struct log_row, number), 0},
    {DB_FLOAT8_ARRAY, offsetof(struct log_row, point), offsetof(struct log_row, point_count)},
    {DB_INT4, offsetof(struct log_row, rung), 0},
    {DB_FLOAT8, offsetof(struct log_row, objective), 0},
    {DB_FLOAT8, offsetof(struct log_row, seconds), 0},
    {DB_FLOAT8, offsetof(struct log_row, predict_us), 0},
    {DB_FLOAT8, offsetof(struct log_row, model_bytes), 0},
    {DB_FLOAT8, offsetof(struct log_row, train_us), 0},
    {DB_FLOAT8, offsetof(struct log_row, rate), 0}};
  struct log_row *rows = NULL;
  enum db_status status = db_exec_many(conn, &list, DB_PARAMS(db_text(job_id), db_int8(after)),
                                       DB_COLUMNS(columns), arena, sizeof *rows, &rows, count);
  if (status < DB_NONE)
    return status;
  struct db_work_log_entry *items = arena_array(arena, *count, sizeof *items);
  if (items == NULL)
    return DB_HARD;
  for (size_t i = 0; i < *count; i++)
    items[i] = (struct db_work_log_entry){.seq = rows[i].seq,
                                          .kind = log_kind(rows[i].kind),
                                          .trial_number = rows[i].number,
                                          .point = rows[i].point,
                                          .point_count = rows[i].point_count,
                                          .rung = rows[i].rung,
                                          .rate = rows[i].rate,
                                          .objective = rows[i].objective,
                                          .seconds = rows[i].seconds,
                                          .predict_us = rows[i].predict_us,
                                          .model_bytes = rows[i].model_bytes,
                                          .train_us = rows[i].train_us};
  *entries = items;
  return status;
}

/* ---- a new trial --------------------------------------------------------------------------------------- */

struct addition
{
  const struct db_work_job *job;
  const char *family, *params;
  const double *point;
  size_t point_count;
  int fold_count;
  const struct db_work_rungs *rungs;
  const char *worker;
  struct db_work_lease *lease;
};

static enum db_status
insert_trial(struct db_conn *conn, const struct addition *addition, const char *trial_id)
{
  static const struct db_statement insert = {
    "work_add_trial",
    "WITH counted AS (UPDATE job SET trial_count = trial_count + 1, search_seq = search_seq + 1"
    " WHERE id = $1 RETURNING trial_count, search_seq)"
    " INSERT INTO trial (id, job_id, number, family, params, point, ask_seq, fold_count, last_rung)"
    " SELECT $2, $1, trial_count, $3, $4, $5, search_seq, $6, $7 FROM counted"};
  return db_exec_none(
    conn, &insert,
    DB_PARAMS(db_text(addition->job->id), db_text(trial_id), db_text(addition->family),
              db_json(addition->params), db_float8_array(addition->point, addition->point_count),
              db_int4(addition->fold_count), db_int4(addition->rungs ? addition->rungs->last : 0)));
}

static enum db_status
insert_units(struct db_conn *conn, const struct addition *addition, const char *trial_id)
{
  static const struct db_statement first = {
    "work_add_first_unit",
    "INSERT INTO unit (job_id, trial_id, fold, state, lease_token, lease_until, worker, attempts,"
    " until_epoch)"
    " VALUES ($1, $2, 0, 'leased', 1, now() + make_interval(secs => $4), $3, 1, nullif($5, 0))"
    " RETURNING id, lease_token"};
  static const struct db_statement rest = {
    "work_add_units", "INSERT INTO unit (job_id, trial_id, fold)"
                      " SELECT $1, $2, fold FROM generate_series(1, $3 - 1) AS fold"};
  static const struct db_column columns[] = {
    {DB_INT8, offsetof(struct db_work_lease, unit_id), 0},
    {DB_INT8, offsetof(struct db_work_lease, lease_token), 0}};
  enum db_status status =
    db_exec_one(conn, &first,
                DB_PARAMS(db_text(addition->job->id), db_text(trial_id), db_text(addition->worker),
                          db_float8(DB_WORK_LEASE_S),
                          db_int4(addition->rungs ? addition->rungs->until_epoch : 0)),
                DB_COLUMNS(columns), NULL, addition->lease);
  if (status != DB_ROWS || addition->fold_count < 2 || addition->rungs)
    return status;
  status = db_exec_none(
    conn, &rest,
    DB_PARAMS(db_text(addition->job->id), db_text(trial_id), db_int4(addition->fold_count)));
  if (status == DB_ROWS)
    status = db_notify(conn, "work", addition->job->id);
  return status < DB_NONE ? status : DB_ROWS;
}

static enum db_status
log_trial(struct db_conn *conn, const struct addition *addition)
{
  return work_logged(db_job_log(conn, addition->job->id, LOG_LEVEL_INFO, "trial",
                                addition->job->trial_count + 1, "started: %s %s", addition->family,
                                addition->params));
}

static enum db_status
add_trial(struct db_conn *conn, const struct addition *addition, struct arena *arena)
{
  struct work_job job;
  char trial_id[40];
  enum db_status status = work_job_lock(conn, addition->job->id, arena, &job);
  if (status != DB_ROWS)
    return status;
  if (!work_job_may(&job, JOB_TRY) || job.trial_count != addition->job->trial_count)
    return DB_NONE;
  if (strcmp(job.state, "queued") == 0)
    status = work_job_move(conn, &job, "running", "search");
  db_id_new("tr_", trial_id, sizeof trial_id);
  if (status == DB_ROWS)
    status = insert_trial(conn, addition, trial_id);
  if (status == DB_ROWS)
    status = insert_units(conn, addition, trial_id);
  if (status == DB_ROWS)
    status = log_trial(conn, addition);
  return status;
}

static enum db_status
add_in_tx(struct db_conn *conn, void *context)
{
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return DB_HARD;
  enum db_status status = add_trial(conn, context, arena);
  arena_free(arena);
  return status;
}

enum db_status
db_work_add_trial(struct db_conn *conn, const struct db_work_job *job, const char *family,
                  const char *params, const double *point, size_t point_count, int fold_count,
                  const struct db_work_rungs *rungs, const char *worker,
                  struct db_work_lease *lease)
{
  struct addition addition = {.job = job,
                              .family = family,
                              .params = params,
                              .point = point,
                              .point_count = point_count,
                              .fold_count = fold_count,
                              .rungs = rungs,
                              .worker = worker,
                              .lease = lease};
  return db_tx_run(conn, "work_add_trial", add_in_tx, &addition);
}

/* ---- units whose attempts are used up ------------------------------------------------------------------ */

struct exhausted
{
  int64_t id;
  const char *job_id, *trial_id;
};

static enum db_status
fail_exhausted(struct db_conn *conn, void *context)
{
  static const struct db_statement check = {
    "work_exhausted_check",
    "SELECT 1 FROM unit WHERE id = $1 AND attempts >= $2 AND (state = 'pending'"
    " OR (state = 'leased' AND lease_until < now())) FOR UPDATE"};
  const struct exhausted *unit = context;
  struct work_job job;
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return DB_HARD;
  enum db_status status = work_job_lock(conn, unit->job_id, arena, &job);
  if (status == DB_ROWS)
    status =
      db_exec_none(conn, &check, DB_PARAMS(db_int8(unit->id), db_int4(DB_WORK_MAX_ATTEMPTS)));
  if (status == DB_ROWS)
    status = work_unit_fail(conn, &job, unit->id, unit->trial_id,
                            "it ended before its time in each of its attempts", arena);
  arena_free(arena);
  return status;
}

enum db_status
work_fail_exhausted(struct db_conn *conn)
{
  static const struct db_statement list = {
    "work_exhausted",
    "SELECT u.id, u.job_id, u.trial_id FROM unit u WHERE u.attempts >= $1"
    " AND (u.state = 'pending' OR (u.state = 'leased' AND u.lease_until < now())) LIMIT 20"};
  static const struct db_column columns[] = {{DB_INT8, offsetof(struct exhausted, id), 0},
                                             {DB_TEXT, offsetof(struct exhausted, job_id), 0},
                                             {DB_TEXT, offsetof(struct exhausted, trial_id), 0}};
  struct exhausted *units = NULL;
  size_t count = 0;
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return DB_HARD;
  enum db_status status = db_exec_many(conn, &list, DB_PARAMS(db_int4(DB_WORK_MAX_ATTEMPTS)),
                                       DB_COLUMNS(columns), arena, sizeof *units, &units, &count);
  for (size_t i = 0; i < count && status >= DB_NONE; i++)
    status = db_tx_run(conn, "work_exhausted", fail_exhausted, &units[i]);
  arena_free(arena);
  return status;
}
