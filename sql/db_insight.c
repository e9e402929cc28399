#include <config.h>

#include "sql/db_insight.h"

#include "sql/db_exec.h"

enum db_status
db_insight_trials(struct db_conn *conn, const char *job_id, size_t most, struct arena *arena,
                  struct db_insight_trial **trials, size_t *count)
{
  /* Of the ended ones `place` is the rank and `many` their number. A place behind the best half is kept
   * where its part of the way moves on by a whole one of those still to be kept. */
  static const struct db_statement list = {
    "insight_trials",
    "SELECT number, state, point, metric, objective FROM (SELECT t.number, t.state, t.point,"
    " t.metric, t.objective, t.ask_seq, t.tell_seq,"
    " row_number() OVER (PARTITION BY t.state IN ('done','failed')"
    "   ORDER BY t.objective NULLS LAST, t.number) AS place,"
    " count(*) OVER (PARTITION BY t.state IN ('done','failed')) AS many"
    " FROM trial t WHERE t.job_id = $1 AND t.state NOT IN ('paused','pruned','cancelled')) r"
    " WHERE state NOT IN ('done','failed') OR many <= $2 OR place <= $2 / 2"
    " OR (place - $2 / 2) * ($2 - $2 / 2) / (many - $2 / 2)"
    "   > (place - $2 / 2 - 1) * ($2 - $2 / 2) / (many - $2 / 2)"
    " ORDER BY tell_seq NULLS LAST, ask_seq"};
  static const struct db_column columns[] = {
    {DB_INT4, offsetof(struct db_insight_trial, number), 0},
    {DB_TEXT, offsetof(struct db_insight_trial, state), 0},
    {DB_FLOAT8_ARRAY, offsetof(struct db_insight_trial, point),
     offsetof(struct db_insight_trial, point_count)},
    {DB_FLOAT8, offsetof(struct db_insight_trial, metric), 0},
    {DB_FLOAT8, offsetof(struct db_insight_trial, objective), 0}};
  return db_exec_many(conn, &list, DB_PARAMS(db_text(job_id), db_int8((int64_t) most)),
                      DB_COLUMNS(columns), arena, sizeof **trials, trials, count);
}

enum db_status
db_insight_schema(struct db_conn *conn, const char *tenant_id, const char *job_id,
                  struct arena *arena, const char **schema)
{
  static const struct db_statement get = {
    "insight_schema",
    "SELECT v.schema FROM job j JOIN dataset_version v ON v.dataset_id = j.dataset_id"
    " AND v.version = j.dataset_version WHERE j.tenant_id = $1 AND j.id = $2"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id), db_text(job_id)), DB_SCALAR(DB_JSON),
                     arena, schema);
}
