#include <config.h>

#include "sql/db_curve.h"

#include "sql/db_exec.h"

/* What was asked for may be there without a trial. */
static enum db_status
some_or_there(struct db_conn *conn, enum db_status status, const struct db_statement *there,
              const char *tenant_id, const char *id)
{
  return status == DB_NONE ? db_exec_none(conn, there, DB_PARAMS(db_text(tenant_id), db_text(id)))
                           : status;
}

enum db_status
db_curve_list(struct db_conn *conn, const char *tenant_id, const char *job_id, int64_t after,
              size_t limit, int points, struct arena *arena, struct db_epoch **epochs,
              size_t *count)
{
  static const struct db_statement there = {"curve_job_there",
                                            "SELECT 1 FROM job WHERE tenant_id = $1 AND id = $2"};
  static const struct db_statement list = {
    "curve_list",
    "SELECT t.number, t.id, u.fold, u.epoch, u.epoch_count, u.valid_loss, u.valid_metric FROM"
    " (SELECT t.id, t.number FROM trial t JOIN job j ON j.id = t.job_id WHERE j.tenant_id = $1"
    "   AND j.id = $2 AND t.number > $3 ORDER BY t.number LIMIT $4) t"
    " LEFT JOIN LATERAL (SELECT u.fold, u.rung, e.epoch, e.epoch_count, e.valid_loss,"
    "   e.valid_metric FROM unit u, LATERAL (SELECT o.epoch, o.epoch_count, o.valid_loss,"
    "       o.valid_metric, row_number() OVER (ORDER BY o.epoch) AS place,"
    "       count(*) OVER () AS places FROM unit_epoch o WHERE o.unit_id = u.id) e"
    "   WHERE u.trial_id = t.id AND u.fold = (SELECT min(v.fold) FROM unit v"
    "       WHERE v.trial_id = t.id AND EXISTS (SELECT FROM unit_epoch o WHERE o.unit_id = v.id))"
    "     AND (e.place = 1 OR e.place = e.places"
    "       OR CASE WHEN e.epoch_count > 0"
    "         THEN e.epoch % greatest(1, ceil(e.epoch_count::float8 / $5)::integer)"
    "         ELSE e.place % greatest(1, ceil(e.places::float8 / $5)::integer) END = 0)) u ON true"
    " ORDER BY t.number, u.rung, u.epoch"};
  static const struct db_column columns[] = {
    {DB_INT4, offsetof(struct db_epoch, trial_number), 0},
    {DB_TEXT, offsetof(struct db_epoch, trial_id), 0},
    {DB_INT4, offsetof(struct db_epoch, fold), 0},
    {DB_INT4, offsetof(struct db_epoch, epoch), 0},
    {DB_INT4, offsetof(struct db_epoch, epoch_count), 0},
    {DB_FLOAT8, offsetof(struct db_epoch, valid_loss), 0},
    {DB_FLOAT8, offsetof(struct db_epoch, valid_metric), 0}};
  enum db_status status =
    db_exec_many(conn, &list,
                 DB_PARAMS(db_text(tenant_id), db_text(job_id), db_int8(after),
                           db_int8((int64_t) limit), db_float8(points)),
                 DB_COLUMNS(columns), arena, sizeof **epochs, epochs, count);
  return some_or_there(conn, status, &there, tenant_id, job_id);
}

enum db_status
db_curve_list_study(struct db_conn *conn, const char *tenant_id, const char *study_id,
                    int64_t after, size_t limit, int points, struct arena *arena,
                    struct db_curve_measure **measures, size_t *count)
{
  static const struct db_statement there = {"curve_study_there",
                                            "SELECT 1 FROM study WHERE tenant_id = $1 AND id = $2"
                                            " AND deleted_at IS NULL"};
  static const struct db_statement list = {
    "curve_list_study",
    "SELECT t.number, t.id, t.state, m.step, m.value FROM"
    " (SELECT t.study_id, t.id, t.number, t.state, t.measures FROM study_trial t"
    "   JOIN study s ON s.id = t.study_id WHERE s.tenant_id = $1 AND s.id = $2"
    "   AND s.deleted_at IS NULL AND t.number > $3 ORDER BY t.number LIMIT $4) t"
    " LEFT JOIN LATERAL (SELECT l.seq, l.step, l.told[1] AS value, row_number() OVER (ORDER BY"
    "   l.seq) AS at, count(*) OVER () AS count FROM study_log l WHERE t.measures > 0"
    "   AND l.study_id = t.study_id AND l.number = t.number AND l.kind = 'measure') m"
    "   ON m.at = 1 OR m.at = m.count OR m.at % greatest(1, ceil(m.count::float8 / $5)::bigint) = 0"
    " ORDER BY t.number, m.seq"};
  static const struct db_column columns[] = {
    {DB_INT4, offsetof(struct db_curve_measure, number), 0},
    {DB_TEXT, offsetof(struct db_curve_measure, trial_id), 0},
    {DB_TEXT, offsetof(struct db_curve_measure, state), 0},
    {DB_FLOAT8, offsetof(struct db_curve_measure, step), 0},
    {DB_FLOAT8, offsetof(struct db_curve_measure, value), 0}};
  enum db_status status =
    db_exec_many(conn, &list,
                 DB_PARAMS(db_text(tenant_id), db_text(study_id), db_int8(after),
                           db_int8((int64_t) limit), db_float8(points)),
                 DB_COLUMNS(columns), arena, sizeof **measures, measures, count);
  return some_or_there(conn, status, &there, tenant_id, study_id);
}
