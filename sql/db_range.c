#include <config.h>

#include "sql/db_range.h"

#include <math.h>

#include "sql/db_exec.h"

/* Everything of test r; of its result what is named. */
#define RANGE_SQL(result)                                                                          \
  "r.id, r.tenant_id, r.dataset_id, r.dataset_version, r.spec, r.family, r.params, r.job_id,"      \
  " r.low, r.high, coalesce(r.steps, 0), r.state, r.problem, " result                              \
  ", r.seconds, r.created_at, r.started_at, r.ended_at"

static const struct db_column range_columns[] = {
  {DB_TEXT, offsetof(struct db_range_test, id), 0},
  {DB_TEXT, offsetof(struct db_range_test, tenant_id), 0},
  {DB_TEXT, offsetof(struct db_range_test, dataset_id), 0},
  {DB_INT4, offsetof(struct db_range_test, dataset_version), 0},
  {DB_JSON, offsetof(struct db_range_test, spec), 0},
  {DB_TEXT, offsetof(struct db_range_test, family), 0},
  {DB_JSON, offsetof(struct db_range_test, params), 0},
  {DB_TEXT, offsetof(struct db_range_test, job_id), 0},
  {DB_FLOAT8, offsetof(struct db_range_test, low), 0},
  {DB_FLOAT8, offsetof(struct db_range_test, high), 0},
  {DB_INT4, offsetof(struct db_range_test, steps), 0},
  {DB_TEXT, offsetof(struct db_range_test, state), 0},
  {DB_JSON, offsetof(struct db_range_test, problem), 0},
  {DB_TEXT, offsetof(struct db_range_test, result), 0},
  {DB_FLOAT8, offsetof(struct db_range_test, seconds), 0},
  {DB_TIME, offsetof(struct db_range_test, created_us), 0},
  {DB_TIME, offsetof(struct db_range_test, started_us), 0},
  {DB_TIME, offsetof(struct db_range_test, ended_us), 0}};

/* The share lock on the dataset keeps it from being deleted before the test can be seen. */
static enum db_status
insert_test(struct db_conn *conn, void *context)
{
  static const struct db_statement lock = {
    "range_lock_dataset",
    "SELECT 1 FROM dataset d JOIN dataset_version v ON v.dataset_id = d.id AND v.version = $3"
    " WHERE d.tenant_id = $1 AND d.id = $2 AND d.state = 'ready' AND d.deleted_at IS NULL"
    " FOR SHARE OF d"};
  static const struct db_statement insert = {
    "range_insert",
    "INSERT INTO lr_range_test (id, tenant_id, dataset_id, dataset_version, spec, family, params,"
    " low, high, steps) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, nullif($10, 0))"
    " ON CONFLICT (id) DO NOTHING"};
  const struct db_range_test *test = context;
  enum db_status status = db_exec_none(
    conn, &lock,
    DB_PARAMS(db_text(test->tenant_id), db_text(test->dataset_id), db_int4(test->dataset_version)));
  if (status != DB_ROWS)
    return status;
  status =
    db_exec_none(conn, &insert,
                 DB_PARAMS(db_text(test->id), db_text(test->tenant_id), db_text(test->dataset_id),
                           db_int4(test->dataset_version), db_json(test->spec),
                           db_text(test->family), db_json(test->params), db_float8(test->low),
                           db_float8(test->high), db_int4(test->steps)));
  if (status == DB_NONE)
    return DB_ROWS; /* stored by an earlier run whose answer was lost */
  return status == DB_ROWS ? db_notify(conn, "work", NULL) : status;
}

enum db_status
db_range_insert(struct db_conn *conn, const struct db_range_test *test)
{
  return db_tx_run(conn, "range_insert", insert_test, (void *) test);
}

enum db_status
db_range_get(struct db_conn *conn, const char *tenant_id, const char *id, struct arena *arena,
             struct db_range_test *test)
{
  static const struct db_statement get = {
    "range_get", "SELECT " RANGE_SQL("r.result") " FROM lr_range_test r"
                                                 " WHERE r.tenant_id = $1 AND r.id = $2"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id), db_text(id)),
                     DB_COLUMNS(range_columns), arena, test);
}

enum db_status
db_range_list(struct db_conn *conn, const char *tenant_id, const char *cursor, size_t limit,
              struct arena *arena, struct db_range_test **tests, size_t *count)
{
  static const struct db_statement list = {
    "range_list",
    "SELECT " RANGE_SQL(
      "(r.result::jsonb - 'curve')::text") " FROM lr_range_test r WHERE r.tenant_id = $1"
                                           " AND (r.created_at, r.id) < ($2, $3)"
                                           " ORDER BY r.created_at DESC, r.id DESC LIMIT $4"};
  return db_exec_page(conn, &list, tenant_id, cursor, limit, DB_COLUMNS(range_columns), arena,
                      sizeof **tests, tests, count);
}

enum db_status
db_range_count_live(struct db_conn *conn, const char *tenant_id, size_t *count)
{
  static const struct db_statement get = {"range_count_live",
                                          "SELECT count(*) FROM lr_range_test WHERE tenant_id = $1"
                                          " AND job_id IS NULL AND state IN ('queued', 'running')"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id)), DB_SCALAR(DB_UINT8), NULL, count);
}
