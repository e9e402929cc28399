#include <config.h>

#include "sql/db_study.h"

#include <math.h>
#include <string.h>

#include "sql/db_exec.h"

/* Rows that go at a time: far less than a statement may take. */
#define SWEEP_ROWS 20000

/* Counting a study's trials reads one index range. */
#define STUDY_SQL                                                                                  \
  "s.id, s.name, s.spec, s.log_seq, c.total, c.running, c.paused, c.done, c.pruned, c.failed,"     \
  " c.forgotten, s.created_at"
#define STUDY_JOINS_SQL                                                                            \
  " CROSS JOIN LATERAL (SELECT count(*) AS total,"                                                 \
  " count(*) FILTER (WHERE t.state = 'running') AS running,"                                       \
  " count(*) FILTER (WHERE t.state = 'paused') AS paused,"                                         \
  " count(*) FILTER (WHERE t.state = 'done') AS done,"                                             \
  " count(*) FILTER (WHERE t.state = 'pruned') AS pruned,"                                         \
  " count(*) FILTER (WHERE t.state = 'failed') AS failed,"                                         \
  " count(*) FILTER (WHERE t.state = 'forgotten') AS forgotten"                                    \
  " FROM study_trial t WHERE t.study_id = s.id) c"

static const struct db_column study_columns[] = {
  {DB_TEXT, offsetof(struct db_study, id), 0},
  {DB_TEXT, offsetof(struct db_study, name), 0},
  {DB_TEXT, offsetof(struct db_study, spec), 0},
  {DB_INT8, offsetof(struct db_study, log_seq), 0},
  {DB_INT4, offsetof(struct db_study, trials_total), 0},
  {DB_INT4, offsetof(struct db_study, trials_running), 0},
  {DB_INT4, offsetof(struct db_study, trials_paused), 0},
  {DB_INT4, offsetof(struct db_study, trials_done), 0},
  {DB_INT4, offsetof(struct db_study, trials_pruned), 0},
  {DB_INT4, offsetof(struct db_study, trials_failed), 0},
  {DB_INT4, offsetof(struct db_study, trials_forgotten), 0},
  {DB_TIME, offsetof(struct db_study, created_us), 0}};

enum db_status
db_study_insert(struct db_conn *conn, const char *id, const char *tenant_id, const char *name,
                const char *spec)
{
  static const struct db_statement insert = {
    "study_insert", "INSERT INTO study (id, tenant_id, name, spec)"
                    " VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING"};
  enum db_status status = db_exec_none(
    conn, &insert, DB_PARAMS(db_text(id), db_text(tenant_id), db_text(name), db_text(spec)));
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_study_get(struct db_conn *conn, const char *tenant_id, const char *id, struct arena *arena,
             struct db_study *study)
{
  static const struct db_statement get = {
    "study_get", "SELECT " STUDY_SQL " FROM study s" STUDY_JOINS_SQL
                 " WHERE s.tenant_id = $1 AND s.id = $2 AND s.deleted_at IS NULL"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id), db_text(id)),
                     DB_COLUMNS(study_columns), arena, study);
}

enum db_status
db_study_list(struct db_conn *conn, const char *tenant_id, const char *cursor, size_t limit,
              struct arena *arena, struct db_study **studies, size_t *count)
{
  /* The page is chosen first: trials are counted for its studies only. */
  static const struct db_statement list = {
    "study_list",
    "SELECT " STUDY_SQL " FROM (SELECT p.id FROM study p WHERE p.tenant_id = $1"
    " AND p.deleted_at IS NULL AND (p.created_at, p.id) < ($2, $3) ORDER BY p.created_at DESC, "
    "p.id DESC LIMIT $4) page"
    " JOIN study s ON s.id = page.id" STUDY_JOINS_SQL " ORDER BY s.created_at DESC, s.id DESC"};
  return db_exec_page(conn, &list, tenant_id, cursor, limit, DB_COLUMNS(study_columns), arena,
                      sizeof **studies, studies, count);
}

enum db_status
db_study_count(struct db_conn *conn, const char *tenant_id, size_t *count)
{
  static const struct db_statement get = {"study_count",
                                          "SELECT count(*) FROM study WHERE tenant_id = $1"
                                          " AND deleted_at IS NULL"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id)), DB_SCALAR(DB_UINT8), NULL, count);
}

enum db_status
db_study_delete(struct db_conn *conn, const char *tenant_id, const char *id)
{
  static const struct db_statement mark = {
    "study_delete", "UPDATE study SET deleted_at = now()"
                    " WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL"};
  return db_exec_none(conn, &mark, DB_PARAMS(db_text(tenant_id), db_text(id)));
}

enum db_status
db_study_sweep(struct db_conn *conn)
{
  static const struct db_statement log = {
    "study_sweep_log", "DELETE FROM study_log WHERE (study_id, seq) IN (SELECT l.study_id, l.seq"
                       " FROM study s JOIN study_log l ON l.study_id = s.id"
                       " WHERE s.deleted_at IS NOT NULL LIMIT $1)"};
  static const struct db_statement trials = {"study_sweep_trials",
                                             "DELETE FROM study_trial WHERE id IN (SELECT t.id"
                                             " FROM study s JOIN study_trial t ON t.study_id = s.id"
                                             " WHERE s.deleted_at IS NOT NULL LIMIT $1)"};
  static const struct db_statement studies = {
    "study_sweep", "DELETE FROM study WHERE id IN (SELECT s.id FROM study s"
                   " WHERE s.deleted_at IS NOT NULL"
                   " AND NOT EXISTS (SELECT FROM study_log l WHERE l.study_id = s.id)"
                   " AND NOT EXISTS (SELECT FROM study_trial t WHERE t.study_id = s.id) LIMIT $1)"};
  enum db_status status = db_exec_none(conn, &log, DB_PARAMS(db_int4(SWEEP_ROWS)));
  if (status == DB_NONE)
    status = db_exec_none(conn, &trials, DB_PARAMS(db_int4(SWEEP_ROWS)));
  if (status == DB_NONE)
    status = db_exec_none(conn, &studies, DB_PARAMS(db_int4(SWEEP_ROWS)));
  return status;
}

enum db_status
db_study_lock(struct db_conn *conn, const char *tenant_id, const char *id, bool with_spec,
              struct arena *arena, struct db_study_head *head)
{
  /* A suggestion of a large study may be computed for longer than a transaction may be idle elsewhere. */
  static const struct db_statement patience = {
    "study_patience", "SELECT set_config('idle_in_transaction_session_timeout', '60s', true)"};
  static const struct db_statement lock = {
    "study_lock",
    "SELECT id, CASE WHEN $3 THEN spec END, log_seq, trial_count,"
    " (SELECT count(*) FROM study_trial t WHERE t.study_id = study.id"
    "  AND t.state = 'forgotten')::int"
    " FROM study WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL FOR NO KEY UPDATE"};
  static const struct db_column columns[] = {
    {DB_TEXT, offsetof(struct db_study_head, id), 0},
    {DB_TEXT, offsetof(struct db_study_head, spec), 0},
    {DB_INT8, offsetof(struct db_study_head, log_seq), 0},
    {DB_INT4, offsetof(struct db_study_head, trial_count), 0},
    {DB_INT4, offsetof(struct db_study_head, trials_forgotten), 0}};
  enum db_status status = db_exec_none(conn, &patience, DB_NO_PARAMS);
  if (status != DB_ROWS)
    return status;
  return db_exec_one(conn, &lock, DB_PARAMS(db_text(tenant_id), db_text(id), db_bool(with_spec)),
                     DB_COLUMNS(columns), arena, head);
}

/* ---- the log ------------------------------------------------------------------------------------------- */

static const char *const kind_names[] = {
  [DB_STUDY_ASK] = "ask",     [DB_STUDY_CONTINUE] = "continue", [DB_STUDY_MEASURE] = "measure",
  [DB_STUDY_TELL] = "tell",   [DB_STUDY_FAILED] = "failed",     [DB_STUDY_FORGET] = "forget",
  [DB_STUDY_PRUNE] = "prune",
};

static bool
find_kind(const char *name, enum db_study_kind *kind)
{
  for (size_t i = 0; i < sizeof kind_names / sizeof kind_names[0]; i++)
    if (strcmp(kind_names[i], name) == 0)
    {
      *kind = (enum db_study_kind) i;
      return true;
    }
  return false;
}

struct log_row
{
  const char *kind;
  struct db_study_entry entry;
};

enum db_status
db_study_log(struct db_conn *conn, const char *study_id, int64_t after, size_t limit,
             struct arena *arena, struct db_study_entry **entries, size_t *count)
{
  static const struct db_statement list = {
    "study_log", "SELECT seq, kind, number, point, step, told, limits, seconds FROM study_log"
                 " WHERE study_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"};
  static const struct db_column columns[] = {
    {DB_INT8, offsetof(struct log_row, entry.seq), 0},
    {DB_TEXT, offsetof(struct log_row, kind), 0},
    {DB_INT4, offsetof(struct log_row, entry.number), 0},
    {DB_FLOAT8_ARRAY, offsetof(struct log_row, entry.point),
     offsetof(struct log_row, entry.point_count)},
    {DB_FLOAT8, offsetof(struct log_row, entry.step), 0},
    {DB_FLOAT8_ARRAY, offsetof(struct log_row, entry.values),
     offsetof(struct log_row, entry.value_count)},
    {DB_FLOAT8_ARRAY, offsetof(struct log_row, entry.constraints),
     offsetof(struct log_row, entry.constraint_count)},
    {DB_FLOAT8, offsetof(struct log_row, entry.seconds), 0}};
  struct log_row *rows = NULL;
  enum db_status status = db_exec_many(
    conn, &list, DB_PARAMS(db_text(study_id), db_int8(after), db_int8((int64_t) limit)),
    DB_COLUMNS(columns), arena, sizeof *rows, &rows, count);
  if (status < DB_NONE)
    return status;
  struct db_study_entry *items = arena_array(arena, *count + 1, sizeof *items);
  if (items == NULL)
    return DB_HARD;
  for (size_t i = 0; i < *count; i++)
  {
    items[i] = rows[i].entry;
    if (!find_kind(rows[i].kind, &items[i].kind))
      return DB_HARD;
  }
  *entries = items;
  return DB_ROWS;
}

enum db_status
db_study_append(struct db_conn *conn, const char *study_id, const struct db_study_entry *entry)
{
  static const struct db_statement append = {
    "study_append",
    "WITH head AS (UPDATE study SET log_seq = $2, trial_count = trial_count"
    " + CASE WHEN $3 = 'ask' THEN 1 ELSE 0 END WHERE id = $1 AND log_seq = $2 - 1 RETURNING id)"
    " INSERT INTO study_log (study_id, seq, kind, number, point, step, told, limits, seconds)"
    " SELECT id, $2, $3, $4, $5, $6, $7, $8, $9 FROM head"};
  enum db_status status = db_exec_none(
    conn, &append,
    DB_PARAMS(db_text(study_id), db_int8(entry->seq), db_text(kind_names[entry->kind]),
              db_int4(entry->number), db_float8_array(entry->point, entry->point_count),
              db_float8(entry->step), db_float8_array(entry->values, entry->value_count),
              db_float8_array(entry->constraints, entry->constraint_count),
              db_float8(entry->seconds)));
  return status == DB_NONE ? DB_HARD : status; /* without the lock, or with a wrong number */
}
