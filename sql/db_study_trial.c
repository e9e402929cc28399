#include <config.h>

#include "sql/db_study.h"

#include "sql/db_exec.h"

#define TRIAL_SQL                                                                                  \
  "t.id, t.number, t.client_id, t.params, t.state, t.from_step, t.until_step, t.step, t.measured," \
  " t.measures, t.told, t.limits, t.reason, t.seconds, t.created_at, t.ended_at"

static const struct db_column trial_columns[] = {
  {DB_TEXT, offsetof(struct db_study_trial, id), 0},
  {DB_INT4, offsetof(struct db_study_trial, number), 0},
  {DB_TEXT, offsetof(struct db_study_trial, client_id), 0},
  {DB_TEXT, offsetof(struct db_study_trial, params), 0},
  {DB_TEXT, offsetof(struct db_study_trial, state), 0},
  {DB_FLOAT8, offsetof(struct db_study_trial, from_step), 0},
  {DB_FLOAT8, offsetof(struct db_study_trial, until_step), 0},
  {DB_FLOAT8, offsetof(struct db_study_trial, step), 0},
  {DB_FLOAT8, offsetof(struct db_study_trial, measured), 0},
  {DB_INT4, offsetof(struct db_study_trial, measures), 0},
  {DB_FLOAT8_ARRAY, offsetof(struct db_study_trial, values),
   offsetof(struct db_study_trial, value_count)},
  {DB_FLOAT8_ARRAY, offsetof(struct db_study_trial, constraints),
   offsetof(struct db_study_trial, constraint_count)},
  {DB_TEXT, offsetof(struct db_study_trial, reason), 0},
  {DB_FLOAT8, offsetof(struct db_study_trial, seconds), 0},
  {DB_TIME, offsetof(struct db_study_trial, created_us), 0},
  {DB_TIME, offsetof(struct db_study_trial, ended_us), 0}};

/* ---- reading ------------------------------------------------------------------------------------------- */

enum db_status
db_study_trial_get(struct db_conn *conn, const char *tenant_id, const char *study_id,
                   const char *trial_id, struct arena *arena, struct db_study_trial *trial)
{
  static const struct db_statement get = {
    "study_trial_get",
    "SELECT " TRIAL_SQL " FROM study_trial t JOIN study s ON s.id = t.study_id"
    " WHERE s.tenant_id = $1 AND s.id = $2 AND t.id = $3 AND s.deleted_at IS NULL"};
  return db_exec_one(conn, &get,
                     DB_PARAMS(db_text(tenant_id), db_text(study_id), db_text(trial_id)),
                     DB_COLUMNS(trial_columns), arena, trial);
}

enum db_status
db_study_trial_number(struct db_conn *conn, const char *study_id, int number, struct arena *arena,
                      struct db_study_trial *trial)
{
  static const struct db_statement get = {
    "study_trial_number",
    "SELECT " TRIAL_SQL " FROM study_trial t WHERE t.study_id = $1 AND t.number = $2"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(study_id), db_int4(number)),
                     DB_COLUMNS(trial_columns), arena, trial);
}

enum db_status
db_study_trial_list(struct db_conn *conn, const char *tenant_id, const char *study_id,
                    const char *state, int after, size_t limit, struct arena *arena,
                    struct db_study_trial **trials, size_t *count)
{
  static const struct db_statement list = {
    "study_trial_list", "SELECT " TRIAL_SQL " FROM study_trial t JOIN study s ON s.id = t.study_id"
                        " WHERE s.tenant_id = $1 AND s.id = $2 AND s.deleted_at IS NULL"
                        " AND t.number > $3"
                        " AND ($4::text IS NULL OR t.state = $4) ORDER BY t.number LIMIT $5"};
  static const struct db_statement there = {"study_there",
                                            "SELECT 1 FROM study WHERE tenant_id = $1 AND id = $2"
                                            " AND deleted_at IS NULL"};
  struct db_param tenant = db_text(tenant_id), study = db_text(study_id);
  enum db_status status = db_exec_many(
    conn, &list, DB_PARAMS(tenant, study, db_int4(after), db_text(state), db_int8((int64_t) limit)),
    DB_COLUMNS(trial_columns), arena, sizeof **trials, trials, count);
  if (status == DB_NONE)
    status = db_exec_none(conn, &there, DB_PARAMS(tenant, study));
  return status;
}

enum db_status
db_study_trial_best(struct db_conn *conn, const char *study_id, bool maximize, size_t limit,
                    struct arena *arena, struct db_study_trial **trials, size_t *count)
{
  static const struct db_statement best = {
    "study_trial_best",
    "SELECT " TRIAL_SQL " FROM study_trial t WHERE t.study_id = $1 AND t.state = 'done'"
    " AND NOT EXISTS (SELECT FROM unnest(t.limits) AS one WHERE one > 0)"
    " ORDER BY CASE WHEN $2 THEN -t.told[1] ELSE t.told[1] END, t.number LIMIT $3"};
  enum db_status status = db_exec_many(
    conn, &best, DB_PARAMS(db_text(study_id), db_bool(maximize), db_int8((int64_t) limit)),
    DB_COLUMNS(trial_columns), arena, sizeof **trials, trials, count);
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_study_trial_open(struct db_conn *conn, const char *study_id, const char *client_id, size_t limit,
                    struct arena *arena, struct db_study_trial **trials, size_t *count)
{
  static const struct db_statement open = {
    "study_trial_open", "WITH mine AS (SELECT o.id FROM study_trial o WHERE o.study_id = $1"
                        " AND o.client_id = $2 AND o.state = 'running' ORDER BY o.number LIMIT $3),"
                        " heard AS (UPDATE study_trial h SET touched_at = clock_timestamp()"
                        " FROM mine WHERE h.id = mine.id)"
                        " SELECT " TRIAL_SQL " FROM mine JOIN study_trial t ON t.id = mine.id"
                        " ORDER BY t.number"};
  enum db_status status = db_exec_many(
    conn, &open, DB_PARAMS(db_text(study_id), db_text(client_id), db_int8((int64_t) limit)),
    DB_COLUMNS(trial_columns), arena, sizeof **trials, trials, count);
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_study_trial_lost(struct db_conn *conn, const char *study_id, double seconds, struct arena *arena,
                    int **numbers, size_t *count)
{
  static const struct db_statement lost = {
    "study_trial_lost", "SELECT number FROM study_trial WHERE study_id = $1 AND state = 'running'"
                        " AND touched_at < clock_timestamp() - make_interval(secs => $2)"
                        " ORDER BY number"};
  enum db_status status =
    db_exec_many(conn, &lost, DB_PARAMS(db_text(study_id), db_float8(seconds)), DB_SCALAR(DB_INT4),
                 arena, sizeof **numbers, numbers, count);
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_study_curve(struct db_conn *conn, const char *study_id, int number, struct arena *arena,
               struct db_study_measure **measures, size_t *count)
{
  static const struct db_statement curve = {
    "study_curve", "SELECT step, told[1], at FROM study_log WHERE study_id = $1 AND number = $2"
                   " AND kind = 'measure' ORDER BY seq"};
  static const struct db_column columns[] = {
    {DB_FLOAT8, offsetof(struct db_study_measure, step), 0},
    {DB_FLOAT8, offsetof(struct db_study_measure, value), 0},
    {DB_TIME, offsetof(struct db_study_measure, at_us), 0}};
  enum db_status status =
    db_exec_many(conn, &curve, DB_PARAMS(db_text(study_id), db_int4(number)), DB_COLUMNS(columns),
                 arena, sizeof **measures, measures, count);
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_study_points(struct db_conn *conn, const char *study_id, bool maximize, size_t most,
                struct arena *arena, struct db_insight_trial **points, size_t *count)
{
  /* Of the ended ones `place` is the rank and `many` their number. A place behind the best half is kept
   * where its part of the way moves on by a whole one of those still to be kept. */
  static const struct db_statement list = {
    "study_points",
    "SELECT r.number, r.state, l.point, r.value, CASE WHEN $2 THEN -r.value ELSE r.value END FROM"
    " (SELECT t.number, t.state, t.told[1] AS value, t.ended_at, row_number() OVER (PARTITION BY "
    "t.state <> 'running'"
    "   ORDER BY CASE WHEN $2 THEN -t.told[1] ELSE t.told[1] END NULLS LAST, t.number) AS place,"
    " count(*) OVER (PARTITION BY t.state <> 'running') AS many FROM study_trial t"
    " WHERE t.study_id = $1 AND t.state IN ('running','done','failed')) r"
    " JOIN study_log l ON l.study_id = $1 AND l.number = r.number AND l.kind = 'ask'"
    " WHERE r.state = 'running' OR many <= $3 OR place <= $3 / 2"
    " OR (place - $3 / 2) * ($3 - $3 / 2) / (many - $3 / 2)"
    "   > (place - $3 / 2 - 1) * ($3 - $3 / 2) / (many - $3 / 2)"
    " ORDER BY r.ended_at NULLS LAST, r.number"};
  static const struct db_column columns[] = {
    {DB_INT4, offsetof(struct db_insight_trial, number), 0},
    {DB_TEXT, offsetof(struct db_insight_trial, state), 0},
    {DB_FLOAT8_ARRAY, offsetof(struct db_insight_trial, point),
     offsetof(struct db_insight_trial, point_count)},
    {DB_FLOAT8, offsetof(struct db_insight_trial, metric), 0},
    {DB_FLOAT8, offsetof(struct db_insight_trial, objective), 0}};
  enum db_status status = db_exec_many(
    conn, &list, DB_PARAMS(db_text(study_id), db_bool(maximize), db_int8((int64_t) most)),
    DB_COLUMNS(columns), arena, sizeof **points, points, count);
  return status == DB_NONE ? DB_ROWS : status;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static enum db_status
must_change(enum db_status status)
{
  return status == DB_NONE ? DB_HARD : status;
}

enum db_status
db_study_trial_insert(struct db_conn *conn, const char *study_id,
                      const struct db_study_trial *trial)
{
  static const struct db_statement insert = {
    "study_trial_insert",
    "INSERT INTO study_trial (id, study_id, number, client_id, params, from_step, until_step,"
    " created_at, touched_at) VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp(),"
    " clock_timestamp())"};
  return must_change(
    db_exec_none(conn, &insert,
                 DB_PARAMS(db_text(trial->id), db_text(study_id), db_int4(trial->number),
                           db_text(trial->client_id), db_text(trial->params),
                           db_float8(trial->from_step), db_float8(trial->until_step))));
}

enum db_status
db_study_trial_continue(struct db_conn *conn, const char *study_id,
                        const struct db_study_trial *trial)
{
  static const struct db_statement go_on = {
    "study_trial_continue",
    "UPDATE study_trial SET state = 'running', client_id = $3, from_step = $4, until_step = $5,"
    " touched_at = clock_timestamp() WHERE study_id = $1 AND number = $2 AND state = 'paused'"};
  return must_change(
    db_exec_none(conn, &go_on,
                 DB_PARAMS(db_text(study_id), db_int4(trial->number), db_text(trial->client_id),
                           db_float8(trial->from_step), db_float8(trial->until_step))));
}

enum db_status
db_study_trial_measured(struct db_conn *conn, const char *study_id, int number, double step,
                        double value, bool paused)
{
  static const struct db_statement measured = {
    "study_trial_measured",
    "UPDATE study_trial SET step = $3, measured = $4, measures = measures + 1,"
    " state = CASE WHEN $5 THEN 'paused' ELSE state END, touched_at = clock_timestamp()"
    " WHERE study_id = $1 AND number = $2"};
  return must_change(db_exec_none(conn, &measured,
                                  DB_PARAMS(db_text(study_id), db_int4(number), db_float8(step),
                                            db_float8(value), db_bool(paused))));
}

enum db_status
db_study_trial_end(struct db_conn *conn, const char *study_id, int number, const char *state,
                   const struct db_study_entry *entry, const char *reason)
{
  static const struct db_statement end = {
    "study_trial_end", "UPDATE study_trial SET state = $3, told = $4, limits = $5, seconds = $6,"
                       " reason = $7, ended_at = clock_timestamp()"
                       " WHERE study_id = $1 AND number = $2"};
  return must_change(
    db_exec_none(conn, &end,
                 DB_PARAMS(db_text(study_id), db_int4(number), db_text(state),
                           db_float8_array(entry->values, entry->value_count),
                           db_float8_array(entry->constraints, entry->constraint_count),
                           db_float8(entry->seconds), db_text(reason))));
}
