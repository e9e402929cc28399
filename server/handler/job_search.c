/* What a job's search has learned: importance, slices, pairs, and what is still to be gained. */
#include <config.h>

#include "server/handler/handlers.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "data/metric.h"
#include "model/job_spec.h"
#include "server/handler/common.h"
#include "server/handler/search_ask.h"
#include "server/json_view.h"

/* ---- the search as it stands -------------------------------------------------------------------------- */

/* The job's spec as it was stored. False when it replied. */
static bool
read_spec(struct http_request *req, const struct db_job *job, const char *schema_text,
          const struct job_spec **out)
{
  json_t *stored = view_json(job->spec), *schema = view_json(schema_text);
  struct job_spec_context context = {
    .dataset_schema = schema, .max_seconds = DBL_MAX, .max_trials = SIZE_MAX / 2};
  struct json_faults faults;
  struct job_spec *spec = NULL;
  struct err_info info;

  json_faults_init(&faults, req->arena);
  enum err err = job_spec_from_json(stored, &context, req->arena, &spec, &faults);
  json_decref(schema);
  json_decref(stored);
  *out = spec;
  if (!err)
    return true;
  err_set(&info, err, "the stored spec of job %s can't be read: %s", job->id,
          err == ERR_INVALID && faults.kept ? faults.items[0].message : err_name(err));
  reply_failure(req, &info);
  return false;
}

/* Scores were negated for the search: by the metric's name, or by the trials while only they know it. */
static bool
higher_is_better(const struct job_spec *spec, const struct db_insight_trial *trials, size_t count)
{
  if (spec->has_metric)
    return metric_higher_is_better(spec->metric);
  for (size_t i = 0; i < count; i++)
    if (fabs(trials[i].metric + trials[i].objective) < fabs(trials[i].metric - trials[i].objective))
      return true;
  return false;
}

static bool
open_search(struct http_request *req, struct search_json *view)
{
  struct db_conn *conn = http_db(req);
  struct db_insight_trial *trials = NULL;
  const struct job_spec *spec = NULL;
  const char *schema = NULL;
  struct db_job job;
  size_t count = 0;

  if (!conn || !job_find(req, conn, http_arg(req, "job"), &job))
    return false;
  enum db_status status = db_insight_schema(conn, req->tenant_id, job.id, req->arena, &schema);
  if (status == DB_ROWS)
    status = db_insight_trials(conn, job.id, SEARCH_ASK_TRIALS, req->arena, &trials, &count);
  if (status < DB_NONE || !schema)
  {
    http_reply_db(req, status, E_JOB_NOT_FOUND);
    return false;
  }
  if (!read_spec(req, &job, schema, &spec))
    return false;
  struct search_spec wanted = {.space = spec->space,
                               .seed = spec->seed,
                               .expected_trials = spec->budget_trials,
                               .prior_points = spec->warm_points,
                               .prior_values = spec->warm_values,
                               .prior_count = spec->warm_count};
  if (!search_ask_replay(req, &wanted, trials, count, &view->search))
    return false;
  view->space = spec->space;
  view->higher = higher_is_better(spec, trials, count);
  view->next = strcmp(spec->method, "bayes") == 0;
  return true;
}

/* ---- the questions ------------------------------------------------------------------------------------ */

enum http_outcome
handle_job_importance(struct http_request *req)
{
  return search_ask_importance(req, open_search);
}

enum http_outcome
handle_job_slices(struct http_request *req)
{
  return search_ask_slice(req, open_search);
}

enum http_outcome
handle_job_pairs(struct http_request *req)
{
  return search_ask_pair(req, open_search);
}

enum http_outcome
handle_job_gain(struct http_request *req)
{
  return search_ask_gain(req, open_search);
}
