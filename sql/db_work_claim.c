#include <config.h>

#include "sql/db_work.h"

#include <math.h>
#include <stddef.h>

#include "sql/db_work_internal.h"

double
db_work_reserve_s(double budget_s)
{
  if (!(budget_s > 0))
    return 0;
  double reserve = 0.1 * budget_s;
  if (reserve < 2)
    reserve = 2;
  if (reserve > 20)
    reserve = 20;
  return reserve > 0.4 * budget_s ? 0.4 * budget_s : reserve;
}

struct claim
{
  const char *worker;
  struct arena *arena;
  struct db_work_unit *unit;
};

static const struct db_column unit_columns[] = {
  {DB_INT8, offsetof(struct db_work_unit, id), 0},
  {DB_INT8, offsetof(struct db_work_unit, lease_token), 0},
  {DB_TEXT, offsetof(struct db_work_unit, job_id), 0},
  {DB_TEXT, offsetof(struct db_work_unit, tenant_id), 0},
  {DB_TEXT, offsetof(struct db_work_unit, trial_id), 0},
  {DB_INT4, offsetof(struct db_work_unit, trial_number), 0},
  {DB_INT4, offsetof(struct db_work_unit, fold), 0},
  {DB_INT4, offsetof(struct db_work_unit, rung), 0},
  {DB_INT4, offsetof(struct db_work_unit, attempts), 0},
  {DB_JSON, offsetof(struct db_work_unit, params), 0},
  {DB_TEXT, offsetof(struct db_work_unit, family), 0},
  {DB_JSON, offsetof(struct db_work_unit, spec), 0},
  {DB_TEXT, offsetof(struct db_work_unit, dataset_id), 0},
  {DB_HASH, offsetof(struct db_work_unit, dataset_sha256), 0},
  {DB_INT8, offsetof(struct db_work_unit, dataset_blob), 0},
  {DB_UINT8, offsetof(struct db_work_unit, dataset_bytes), 0},
  {DB_FLOAT8, offsetof(struct db_work_unit, budget_left_s), 0},
  {DB_INT4, offsetof(struct db_work_unit, fold_count), 0},
  {DB_INT4, offsetof(struct db_work_unit, job_leased), 0},
  {DB_TEXT, offsetof(struct db_work_unit, stop_reason), 0},
  {DB_JSON, offsetof(struct db_work_unit, schema), 0},
  {DB_BOOL, offsetof(struct db_work_unit, hurried), 0},
  {DB_INT4, offsetof(struct db_work_unit, until_epoch), 0},
  {DB_INT8, offsetof(struct db_work_unit, checkpoint_blob), 0},
  {DB_BOOL, offsetof(struct db_work_unit, again), 0}};

static enum db_status
read_unit(struct db_conn *conn, int64_t unit_id, struct claim *claim)
{
  static const struct db_statement get = {
    "work_unit",
    "SELECT u.id, u.lease_token, j.id, j.tenant_id, u.trial_id, coalesce(t.number, 0), u.fold, "
    "u.rung,"
    " u.attempts, t.params, t.family, j.spec, j.dataset_id, v.sha256, v.blob_id, v.bytes,"
    " CASE WHEN " WORK_SQL_SECONDS " > 0 THEN " WORK_SQL_SECONDS " - " WORK_SQL_ELAPSED
    " ELSE 'Infinity' END,"
    " coalesce(t.fold_count, (SELECT count(*) FROM unit f WHERE f.trial_id = u.trial_id))::int,"
    " (SELECT count(*) FROM unit w WHERE w.job_id = j.id AND w.state = 'leased')::int,"
    " j.stop_reason, v.schema, " WORK_SQL_HURRIED ", coalesce(u.until_epoch, 0),"
    " coalesce((SELECT c.checkpoint_blob FROM unit c WHERE c.trial_id = u.trial_id"
    "   AND c.fold = u.fold AND c.rung < u.rung ORDER BY c.rung DESC LIMIT 1), 0),"
    " EXISTS (SELECT FROM trial e WHERE e.job_id = t.job_id AND e.number < t.number"
    "   AND e.point = t.point)"
    " FROM unit u JOIN job j ON j.id = u.job_id"
    " JOIN dataset_version v ON v.dataset_id = j.dataset_id AND v.version = j.dataset_version"
    " LEFT JOIN trial t ON t.id = u.trial_id WHERE u.id = $1"};
  return db_exec_one(conn, &get, DB_PARAMS(db_int8(unit_id)), DB_COLUMNS(unit_columns),
                     claim->arena, claim->unit);
}

static enum db_status
claim_one(struct db_conn *conn, void *context)
{
  static const struct db_statement take = {
    "work_claim",
    "UPDATE unit SET state = 'leased', lease_token = lease_token + 1, worker = $1,"
    " lease_until = now() + make_interval(secs => $2), attempts = attempts + 1 WHERE id ="
    " (SELECT u.id FROM unit u JOIN job j ON j.id = u.job_id WHERE j.state = 'running'"
    "   AND (u.state = 'pending' OR (u.state = 'leased' AND u.lease_until < now()))"
    "   AND u.attempts < $3 AND " WORK_SQL_HAS_ROOM
    "   ORDER BY u.trial_id IS NOT NULL, " WORK_SQL_TENANT_LOAD ", " WORK_SQL_JOB_LOAD
    "   , j.created_at, u.id LIMIT 1 FOR UPDATE OF u SKIP LOCKED)"
    " RETURNING id"};
  static const struct db_statement forget = {"work_claim_forget",
                                             "DELETE FROM unit_epoch WHERE unit_id = $1"};
  struct claim *claim = context;
  int64_t unit_id = 0;
  enum db_status status = db_exec_one(
    conn, &take,
    DB_PARAMS(db_text(claim->worker), db_float8(DB_WORK_LEASE_S), db_int4(DB_WORK_MAX_ATTEMPTS)),
    DB_SCALAR(DB_INT8), NULL, &unit_id);
  if (status != DB_ROWS)
    return status;
  /* What an earlier attempt told of its epochs would mix with what this one tells. */
  status = db_exec_none(conn, &forget, DB_PARAMS(db_int8(unit_id)));
  if (status < DB_NONE)
    return status;
  return read_unit(conn, unit_id, claim);
}

enum db_status
db_work_claim(struct db_conn *conn, const char *worker, struct arena *arena,
              struct db_work_unit *unit)
{
  struct claim claim = {.worker = worker, .arena = arena, .unit = unit};
  enum db_status status = work_fail_exhausted(conn);
  if (status < DB_NONE)
    return status;
  return db_tx_run(conn, "work_claim", claim_one, &claim);
}

/* ---- keeping a lease ------------------------------------------------------------------------------- */

enum db_status
db_work_heartbeat(struct db_conn *conn, const struct db_work_lease *lease,
                  struct db_work_pulse *pulse)
{
  static const struct db_statement renew = {
    "work_heartbeat",
    "UPDATE unit u SET lease_until = now() + make_interval(secs => $3) FROM job j"
    " WHERE u.id = $1 AND " WORK_SQL_HELD(
      "u.") " AND j.id = u.job_id"
            " RETURNING CASE WHEN j.state = 'paused' THEN 1 WHEN j.state <> 'running' THEN 2"
            "   WHEN u.trial_id IS NULL THEN CASE WHEN " WORK_SQL_HURRIED " THEN 5 ELSE 0 END"
            "   WHEN j.cancel_requested THEN 3"
            "   WHEN " WORK_SQL_PAST_SEARCH " THEN 4 ELSE 0 END,"
            " CASE WHEN u.trial_id IS NULL OR " WORK_SQL_SECONDS " = 0 THEN NULL"
            "   ELSE " WORK_SQL_SECONDS " - " WORK_SQL_RESERVE " - " WORK_SQL_ELAPSED " END"};
  struct answer
  {
    int stop;
    double left_s;
  } answer;
  static const struct db_column columns[] = {{DB_INT4, offsetof(struct answer, stop), 0},
                                             {DB_FLOAT8, offsetof(struct answer, left_s), 0}};
  enum db_status status = db_work_presence(conn);
  if (status < DB_NONE)
    return status;
  status = db_exec_one(
    conn, &renew,
    DB_PARAMS(db_int8(lease->unit_id), db_int8(lease->lease_token), db_float8(DB_WORK_LEASE_S)),
    DB_COLUMNS(columns), NULL, &answer);
  if (status == DB_ROWS)
    *pulse =
      (struct db_work_pulse){.stop = (enum db_work_stop) answer.stop,
                             .search_left_s = isnan(answer.left_s) ? INFINITY : answer.left_s};
  return status;
}

struct epochs
{
  const struct db_work_lease *lease;
  const struct db_work_epoch *items;
  size_t count;
  struct arena *arena;
};

/* The items' members as six columns. */
static double *
epoch_columns(const struct epochs *epochs)
{
  size_t count = epochs->count;
  double *columns = arena_array(epochs->arena, count, 6 * sizeof *columns);
  for (size_t i = 0; columns != NULL && i < count; i++)
  {
    const struct db_work_epoch *item = &epochs->items[i];
    columns[i] = item->epoch;
    columns[count + i] = item->epoch_count;
    columns[2 * count + i] = item->train_loss;
    columns[3 * count + i] = item->valid_loss;
    columns[4 * count + i] = item->valid_metric;
    columns[5 * count + i] = item->seconds;
  }
  return columns;
}

static enum db_status
insert_epochs(struct db_conn *conn, void *context)
{
  static const struct db_statement insert = {
    "work_epochs",
    "INSERT INTO unit_epoch (unit_id, epoch, epoch_count, train_loss, valid_loss, valid_metric, "
    "seconds)"
    " SELECT DISTINCT ON (e.epoch) u.id, e.epoch::int, e.epochs::int, nullif(e.train, 'NaN'), "
    "nullif(e.valid, 'NaN'),"
    " nullif(e.metric, 'NaN'), e.seconds FROM unit u,"
    " unnest($3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::float8[], $8::float8[])"
    " AS e (epoch, epochs, train, valid, metric, seconds)"
    " WHERE u.id = $1 AND " WORK_SQL_HELD(
      "u.") " ORDER BY e.epoch, e.seconds DESC"
            " ON CONFLICT (unit_id, epoch) DO UPDATE SET epoch_count = excluded.epoch_count,"
            " train_loss = excluded.train_loss, valid_loss = excluded.valid_loss,"
            " valid_metric = excluded.valid_metric, seconds = excluded.seconds"};
  const struct epochs *epochs = context;
  size_t n = epochs->count;
  const double *columns = epoch_columns(epochs);
  if (columns == NULL)
    return DB_HARD;
  enum db_status status = db_exec_sql(conn, "SET LOCAL synchronous_commit = off");
  if (status < DB_NONE)
    return status;
  return db_exec_none(
    conn, &insert,
    DB_PARAMS(db_int8(epochs->lease->unit_id), db_int8(epochs->lease->lease_token),
              db_float8_array(columns, n), db_float8_array(columns + n, n),
              db_float8_array(columns + 2 * n, n), db_float8_array(columns + 3 * n, n),
              db_float8_array(columns + 4 * n, n), db_float8_array(columns + 5 * n, n)));
}

enum db_status
db_work_epochs(struct db_conn *conn, const struct db_work_lease *lease,
               const struct db_work_epoch *epochs, size_t count)
{
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return DB_HARD;
  struct epochs context = {.lease = lease, .items = epochs, .count = count, .arena = arena};
  enum db_status status =
    count == 0 ? DB_NONE : db_tx_run(conn, "work_epochs", insert_epochs, &context);
  arena_free(arena);
  return status;
}
