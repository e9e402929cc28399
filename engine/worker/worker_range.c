#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "worker/worker_internal.h"

#define MOST_DEPTH 64
/* A test is to be short; one that takes longer ends with the curve it has. Of a job's seconds it has a small part. */
#define MOST_SECONDS 120.0
#define BUDGET_SHARE 0.02
#define LEAST_SECONDS 1.0

static double
most_seconds(const struct db_work_unit *unit, const json_t *spec)
{
  double budget_s = unit->job_id != NULL ? worker_budget_seconds(spec) : 0;
  return budget_s > 0 ? fmin(fmax(budget_s * BUDGET_SHARE, LEAST_SECONDS), MOST_SECONDS)
                      : MOST_SECONDS;
}

static enum err
write_unit(const struct work_dir *dir, const struct db_range_unit *range, const char *path,
           struct err_info *info)
{
  const struct db_work_unit *unit = &range->unit;
  json_t *spec = NULL, *schema = NULL, *params = NULL;
  enum err err = json_parse(unit->spec, strlen(unit->spec), MOST_DEPTH, &spec, info);
  if (err == ERR_OK)
    err = json_parse(unit->schema, strlen(unit->schema), MOST_DEPTH, &schema, info);
  if (err == ERR_OK)
    err = json_parse(unit->params, strlen(unit->params), MOST_DEPTH, &params, info);
  if (err == ERR_OK)
  {
    json_t *json =
      json_pack("{s:s, s:s, s:I, s:O, s:O, s:s, s:O, s:f, s:f, s:i, s:f}", "mode", "range", "data",
                path, "parent", (json_int_t) getpid(), "spec", spec, "schema", schema, "family",
                unit->family, "params", params, "low", isnan(range->low) ? 0.0 : range->low, "high",
                isnan(range->high) ? 0.0 : range->high, "steps", range->steps, "max_seconds",
                most_seconds(unit, spec));
    err = work_dir_write_json(dir, "unit.json", json, info);
    json_decref(json);
  }
  json_decref(params);
  json_decref(schema);
  json_decref(spec);
  return err;
}

static struct db_work_lease
lease_of(const struct db_range_unit *range)
{
  return (struct db_work_lease){.unit_id = range->unit.id, .lease_token = range->unit.lease_token};
}

static enum err
prepare(struct worker *worker, const void *context, const struct work_dir *dir,
        struct err_info *info)
{
  const struct db_range_unit *range = context;
  struct db_work_lease lease = lease_of(range);
  char path[PATH_MAX];
  enum err err = worker_dataset_kept(worker, &range->unit, &lease, db_range_heartbeat, path, info);
  return err == ERR_OK ? write_unit(dir, range, path, info) : err;
}

static enum db_status
store(struct db_conn *conn, const void *context, const struct work_dir *dir)
{
  struct db_work_lease lease = lease_of(context);
  json_t *answer = NULL;
  enum err err = work_dir_read_json(dir, "result.json", &answer, NULL);
  char *text = err == ERR_OK ? json_dumps(json_object_get(answer, "range"), JSON_COMPACT) : NULL;
  double seconds = json_get_number(answer, "seconds", NAN);
  const json_t *suggestion = json_object_get(json_object_get(answer, "range"), "suggestion");
  double rate = json_get_number(suggestion, "learning_rate", NAN);
  enum db_status status =
    text != NULL ? db_range_finish(conn, &lease, text, rate, seconds) : DB_HARD;
  free(text);
  json_decref(answer);
  return status;
}

void
worker_range(struct worker *worker, const struct db_range_unit *range)
{
  struct worker_alone work = {.kind = "range test",
                              .id = range->test_id,
                              .news =
                                range->unit.job_id != NULL ? range->unit.job_id : range->test_id,
                              .unrecorded = "its result could not be stored",
                              .attempts = range->unit.attempts,
                              .lease = lease_of(range),
                              .when_cancelled = DB_WORK_FAILED,
                              .when_missing = DB_WORK_RETRY,
                              .heartbeat = db_range_heartbeat,
                              .end = db_range_end,
                              .unit = range,
                              .prepare = prepare,
                              .store = store};
  log_debug("range test %s: %s", range->test_id, range->unit.family);
  worker_alone(worker, &work);
}
