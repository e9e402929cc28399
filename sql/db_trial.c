#include <config.h>

#include "sql/db_job.h"

#include "sql/db_exec.h"

#define TRIAL_SQL                                                                                  \
  "t.id, t.number, t.family, t.params, t.state, t.metric, t.objective,"                            \
  " coalesce(t.seconds, u.seconds), to_jsonb(t.reasons), u.total, u.done, t.rung,"                 \
  " t.last_rung, t.created_at, t.ended_at, t.predict_us, t.model_bytes::float8, t.excess > 0"
#define TRIAL_FROM_SQL                                                                             \
  " FROM trial t JOIN job j ON j.id = t.job_id"                                                    \
  " CROSS JOIN LATERAL (SELECT coalesce(t.fold_count, count(*))::int8 AS total,"                   \
  " count(*) FILTER (WHERE u.state = 'done' AND (u.until_epoch IS NULL"                            \
  "   OR u.result->>'stop' <> 'pause')) AS done,"                                                  \
  " coalesce(sum(u.seconds), 0) AS seconds FROM unit u WHERE u.trial_id = t.id) u"                 \
  " WHERE j.tenant_id = $1 AND j.id = $2"

static const struct db_column trial_columns[] = {
  {DB_TEXT, offsetof(struct db_trial, id), 0},
  {DB_INT4, offsetof(struct db_trial, number), 0},
  {DB_TEXT, offsetof(struct db_trial, family), 0},
  {DB_JSON, offsetof(struct db_trial, params), 0},
  {DB_TEXT, offsetof(struct db_trial, state), 0},
  {DB_FLOAT8, offsetof(struct db_trial, metric), 0},
  {DB_FLOAT8, offsetof(struct db_trial, objective), 0},
  {DB_FLOAT8, offsetof(struct db_trial, seconds), 0},
  {DB_JSON, offsetof(struct db_trial, reasons), 0},
  {DB_INT4, offsetof(struct db_trial, units_total), 0},
  {DB_INT4, offsetof(struct db_trial, units_done), 0},
  {DB_INT4, offsetof(struct db_trial, rung), 0},
  {DB_INT4, offsetof(struct db_trial, rungs), 0},
  {DB_TIME, offsetof(struct db_trial, created_us), 0},
  {DB_TIME, offsetof(struct db_trial, ended_us), 0},
  {DB_FLOAT8, offsetof(struct db_trial, predict_us), 0},
  {DB_FLOAT8, offsetof(struct db_trial, model_bytes), 0},
  {DB_BOOL, offsetof(struct db_trial, beyond_limits), 0}};

enum db_status
db_trial_list(struct db_conn *conn, const char *tenant_id, const char *job_id,
              enum db_trial_order order, int64_t after, size_t limit, struct arena *arena,
              struct db_trial **trials, size_t *count)
{
  static const struct db_statement by_number = {"trial_list_number",
                                                "SELECT " TRIAL_SQL TRIAL_FROM_SQL
                                                " AND t.number > $3 ORDER BY t.number LIMIT $4"};
  static const struct db_statement by_score = {
    "trial_list_score", "SELECT " TRIAL_SQL TRIAL_FROM_SQL
                        " AND t.state = 'done' ORDER BY t.excess, t.objective, t.number"
                        " OFFSET $3 LIMIT $4"};
  static const struct db_statement there = {"trial_job_there",
                                            "SELECT 1 FROM job WHERE tenant_id = $1 AND id = $2"};
  struct db_param tenant = db_text(tenant_id), job = db_text(job_id);
  int64_t from = after > 0 ? after : 0;
  enum db_status status =
    db_exec_many(conn, order == DB_TRIAL_BY_NUMBER ? &by_number : &by_score,
                 DB_PARAMS(tenant, job, db_int8(from), db_int8((int64_t) limit)),
                 DB_COLUMNS(trial_columns), arena, sizeof **trials, trials, count);
  if (status == DB_NONE)
    status = db_exec_none(conn, &there, DB_PARAMS(tenant, job));
  return status;
}

enum db_status
db_trial_get(struct db_conn *conn, const char *tenant_id, const char *job_id, const char *trial_id,
             struct arena *arena, struct db_trial *trial)
{
  static const struct db_statement get = {"trial_get",
                                          "SELECT " TRIAL_SQL TRIAL_FROM_SQL " AND t.id = $3"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id), db_text(job_id), db_text(trial_id)),
                     DB_COLUMNS(trial_columns), arena, trial);
}

#define EPOCH_SQL                                                                                  \
  "u.id, t.number, t.id, u.fold, e.epoch, e.epoch_count, e.train_loss, e.valid_loss,"              \
  " e.valid_metric, e.seconds"

static const struct db_column epoch_columns[] = {
  {DB_INT8, offsetof(struct db_epoch, unit_id), 0},
  {DB_INT4, offsetof(struct db_epoch, trial_number), 0},
  {DB_TEXT, offsetof(struct db_epoch, trial_id), 0},
  {DB_INT4, offsetof(struct db_epoch, fold), 0},
  {DB_INT4, offsetof(struct db_epoch, epoch), 0},
  {DB_INT4, offsetof(struct db_epoch, epoch_count), 0},
  {DB_FLOAT8, offsetof(struct db_epoch, train_loss), 0},
  {DB_FLOAT8, offsetof(struct db_epoch, valid_loss), 0},
  {DB_FLOAT8, offsetof(struct db_epoch, valid_metric), 0},
  {DB_FLOAT8, offsetof(struct db_epoch, seconds), 0}};

enum db_status
db_epoch_list(struct db_conn *conn, const char *trial_id, struct arena *arena,
              struct db_epoch **epochs, size_t *count)
{
  static const struct db_statement list = {
    "epoch_list", "SELECT " EPOCH_SQL " FROM trial t JOIN unit u ON u.trial_id = t.id"
                  " JOIN unit_epoch e ON e.unit_id = u.id"
                  " WHERE t.id = $1 ORDER BY u.fold, u.rung, e.epoch"};
  enum db_status status =
    db_exec_many(conn, &list, DB_PARAMS(db_text(trial_id)), DB_COLUMNS(epoch_columns), arena,
                 sizeof **epochs, epochs, count);
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_epoch_latest(struct db_conn *conn, const char *job_id, struct arena *arena,
                struct db_epoch **epochs, size_t *count)
{
  static const struct db_statement list = {
    "epoch_latest",
    "SELECT " EPOCH_SQL " FROM unit u JOIN trial t ON t.id = u.trial_id CROSS JOIN LATERAL"
    " (SELECT n.epoch, n.epoch_count, n.train_loss, n.valid_loss, n.valid_metric, n.seconds"
    " FROM unit_epoch n WHERE n.unit_id = u.id ORDER BY n.epoch DESC LIMIT 1) e"
    " WHERE u.job_id = $1 AND u.state = 'leased' ORDER BY t.number, u.fold"};
  enum db_status status =
    db_exec_many(conn, &list, DB_PARAMS(db_text(job_id)), DB_COLUMNS(epoch_columns), arena,
                 sizeof **epochs, epochs, count);
  return status == DB_NONE ? DB_ROWS : status;
}
