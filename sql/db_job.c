#include <config.h>

#include "sql/db_job.h"

#include <string.h>

#include "sql/db_exec.h"
#include "sql/db_job_log.h"

/* Everything of job j in one statement. Counting a job's trials reads one index range. */
#define JOB_SQL                                                                                    \
  "j.id, j.tenant_id, j.name, j.dataset_id, j.dataset_version, j.spec, j.state, j.phase,"          \
  " j.cancel_requested, j.stop_reason, j.problem, j.event_seq, c.total, c.running, c.paused, "     \
  "c.done,"                                                                                        \
  " c.pruned, c.failed, c.cancelled, j.best_trial_id, b.number, b.family, b.params,"               \
  " j.best_value, m.name, j.model_version, j.created_at, j.started_at, j.ended_at,"                \
  " clock_timestamp(), j.paused_at, greatest(coalesce(extract(epoch FROM"                          \
  " coalesce(j.ended_at, j.paused_at, clock_timestamp()) - j.started_at)::float8 - j.idle_s, 0),"  \
  " 0), j.extended, j.cloned_from, j.warm_start_from"
#define JOB_JOINS_SQL                                                                              \
  " CROSS JOIN LATERAL (SELECT count(*) AS total,"                                                 \
  " count(*) FILTER (WHERE t.state = 'running') AS running,"                                       \
  " count(*) FILTER (WHERE t.state = 'paused') AS paused,"                                         \
  " count(*) FILTER (WHERE t.state = 'done') AS done,"                                             \
  " count(*) FILTER (WHERE t.state = 'pruned') AS pruned,"                                         \
  " count(*) FILTER (WHERE t.state = 'failed') AS failed,"                                         \
  " count(*) FILTER (WHERE t.state = 'cancelled') AS cancelled"                                    \
  " FROM trial t WHERE t.job_id = j.id) c"                                                         \
  " LEFT JOIN trial b ON b.id = j.best_trial_id LEFT JOIN model m ON m.id = j.model_id"

static const struct db_column job_columns[] = {
  {DB_TEXT, offsetof(struct db_job, id), 0},
  {DB_TEXT, offsetof(struct db_job, tenant_id), 0},
  {DB_TEXT, offsetof(struct db_job, name), 0},
  {DB_TEXT, offsetof(struct db_job, dataset_id), 0},
  {DB_INT4, offsetof(struct db_job, dataset_version), 0},
  {DB_JSON, offsetof(struct db_job, spec), 0},
  {DB_TEXT, offsetof(struct db_job, state), 0},
  {DB_TEXT, offsetof(struct db_job, phase), 0},
  {DB_BOOL, offsetof(struct db_job, cancel_requested), 0},
  {DB_TEXT, offsetof(struct db_job, stop_reason), 0},
  {DB_JSON, offsetof(struct db_job, problem), 0},
  {DB_INT8, offsetof(struct db_job, event_seq), 0},
  {DB_INT4, offsetof(struct db_job, trials_total), 0},
  {DB_INT4, offsetof(struct db_job, trials_running), 0},
  {DB_INT4, offsetof(struct db_job, trials_paused), 0},
  {DB_INT4, offsetof(struct db_job, trials_done), 0},
  {DB_INT4, offsetof(struct db_job, trials_pruned), 0},
  {DB_INT4, offsetof(struct db_job, trials_failed), 0},
  {DB_INT4, offsetof(struct db_job, trials_cancelled), 0},
  {DB_TEXT, offsetof(struct db_job, best_trial_id), 0},
  {DB_INT4, offsetof(struct db_job, best_trial_number), 0},
  {DB_TEXT, offsetof(struct db_job, best_family), 0},
  {DB_JSON, offsetof(struct db_job, best_params), 0},
  {DB_FLOAT8, offsetof(struct db_job, best_value), 0},
  {DB_TEXT, offsetof(struct db_job, model_name), 0},
  {DB_INT4, offsetof(struct db_job, model_version), 0},
  {DB_TIME, offsetof(struct db_job, created_us), 0},
  {DB_TIME, offsetof(struct db_job, started_us), 0},
  {DB_TIME, offsetof(struct db_job, ended_us), 0},
  {DB_TIME, offsetof(struct db_job, now_us), 0},
  {DB_TIME, offsetof(struct db_job, paused_us), 0},
  {DB_FLOAT8, offsetof(struct db_job, elapsed_s), 0},
  {DB_INT4, offsetof(struct db_job, extended), 0},
  {DB_TEXT, offsetof(struct db_job, cloned_from), 0},
  {DB_TEXT, offsetof(struct db_job, warm_start_from), 0}};

struct insertion
{
  const char *id;
  const char *tenant_id;
  const char *name;
  const char *dataset_id;
  int dataset_version;
  const char *spec;
  const struct db_job_origin *origin;
};

static enum db_status
log_insertion(struct db_conn *conn, const struct insertion *job)
{
  const struct db_job_origin *origin = job->origin;
  return db_job_log(conn, job->id, LOG_LEVEL_INFO, "server", 0,
                    "created%s%s%s%s%s%s: dataset %s, version %d", origin->by != NULL ? " by " : "",
                    origin->by != NULL ? origin->by : "",
                    origin->cloned_from != NULL ? " as a clone of " : "",
                    origin->cloned_from != NULL ? origin->cloned_from : "",
                    origin->warm_start_from != NULL ? ", taught by " : "",
                    origin->warm_start_from != NULL ? origin->warm_start_from : "", job->dataset_id,
                    job->dataset_version);
}

/* The share lock on the dataset keeps it from being deleted before the job can be seen. */
static enum db_status
insert_job(struct db_conn *conn, void *context)
{
  static const struct db_statement lock = {
    "job_lock_dataset",
    "SELECT 1 FROM dataset d JOIN dataset_version v ON v.dataset_id = d.id AND v.version = $3"
    " WHERE d.tenant_id = $1 AND d.id = $2 AND d.state = 'ready' AND d.deleted_at IS NULL"
    " FOR SHARE OF d"};
  static const struct db_statement insert = {
    "job_insert", "INSERT INTO job (id, tenant_id, name, dataset_id, dataset_version, spec,"
                  " cloned_from, warm_start_from)"
                  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING"};
  const struct insertion *job = context;
  enum db_status status = db_exec_none(
    conn, &lock,
    DB_PARAMS(db_text(job->tenant_id), db_text(job->dataset_id), db_int4(job->dataset_version)));
  if (status != DB_ROWS)
    return status;
  status = db_exec_none(conn, &insert,
                        DB_PARAMS(db_text(job->id), db_text(job->tenant_id), db_text(job->name),
                                  db_text(job->dataset_id), db_int4(job->dataset_version),
                                  db_json(job->spec), db_text(job->origin->cloned_from),
                                  db_text(job->origin->warm_start_from)));
  if (status == DB_NONE)
    return DB_ROWS; /* stored by an earlier run whose answer was lost, with its event */
  if (status == DB_ROWS)
    status = db_event_insert(conn, job->id, "state", "{\"state\": \"queued\"}");
  if (status == DB_ROWS)
    status = log_insertion(conn, job);
  if (status == DB_ROWS)
    status = db_notify(conn, "work", NULL);
  return status;
}

enum db_status
db_job_insert_from(struct db_conn *conn, const char *id, const char *tenant_id, const char *name,
                   const char *dataset_id, int dataset_version, const char *spec,
                   const struct db_job_origin *origin)
{
  struct insertion insertion = {.id = id,
                                .tenant_id = tenant_id,
                                .name = name,
                                .dataset_id = dataset_id,
                                .dataset_version = dataset_version,
                                .spec = spec,
                                .origin = origin};
  return db_tx_run(conn, "job_insert", insert_job, &insertion);
}

enum db_status
db_job_insert(struct db_conn *conn, const char *id, const char *tenant_id, const char *name,
              const char *dataset_id, int dataset_version, const char *spec)
{
  return db_job_insert_from(conn, id, tenant_id, name, dataset_id, dataset_version, spec,
                            &(const struct db_job_origin){0});
}

enum db_status
db_job_get(struct db_conn *conn, const char *tenant_id, const char *id, struct arena *arena,
           struct db_job *job)
{
  static const struct db_statement get = {"job_get", "SELECT " JOB_SQL " FROM job j" JOB_JOINS_SQL
                                                     " WHERE j.tenant_id = $1 AND j.id = $2"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id), db_text(id)),
                     DB_COLUMNS(job_columns), arena, job);
}

enum db_status
db_job_list(struct db_conn *conn, const char *tenant_id, const char *cursor, size_t limit,
            struct arena *arena, struct db_job **jobs, size_t *count)
{
  /* The page is chosen first: trials are counted for its jobs only. */
  static const struct db_statement list = {
    "job_list",
    "SELECT " JOB_SQL " FROM (SELECT p.id FROM job p WHERE p.tenant_id = $1"
    " AND (p.created_at, p.id) < ($2, $3) ORDER BY p.created_at DESC, p.id DESC LIMIT $4) page"
    " JOIN job j ON j.id = page.id" JOB_JOINS_SQL " ORDER BY j.created_at DESC, j.id DESC"};
  return db_exec_page(conn, &list, tenant_id, cursor, limit, DB_COLUMNS(job_columns), arena,
                      sizeof **jobs, jobs, count);
}

enum db_status
db_job_count_live(struct db_conn *conn, const char *tenant_id, size_t *count)
{
  static const struct db_statement get = {"job_count_live",
                                          "SELECT count(*) FROM job WHERE tenant_id = $1"
                                          " AND state IN ('queued', 'running')"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id)), DB_SCALAR(DB_UINT8), NULL, count);
}
