/* What a job's search has learned: importance, slices, pairs, and what is still to be gained. */
#include <config.h>

#include "server/handler/handlers.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "data/metric.h"
#include "model/job_spec.h"
#include "search/slice.h"
#include "server/handler/common.h"
#include "server/json_view.h"
#include "server/search_json.h"
#include "sql/db_insight.h"

/* More ended trials are thinned to so many: the time of an answer is bounded. */
#define TRIALS_MOST 500
#define PAIRS_MOST 100

struct job_search
{
  const struct job_spec *spec;
  struct search_json view;
};

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

/* Tells the search what came of a trial; one whose point is none of the space (an older program's) is left
 * out. */
static enum err
tell_trial(struct search *search, const struct job_spec *spec, const struct db_insight_trial *trial,
           struct err_info *info)
{
  uint64_t id = (uint64_t) trial->number;
  if (trial->point_count != spec->space->count)
    return ERR_OK;
  enum err err = search_note_ask(search, id, trial->point, info);
  if (err)
    return err == ERR_INVALID ? ERR_OK : err;
  if (strcmp(trial->state, "done") == 0)
    return search_tell(search, id, trial->objective, NAN, info);
  return strcmp(trial->state, "failed") == 0 ? search_tell_failed(search, id, true, info) : ERR_OK;
}

/* Whatever its method, the questions are those to the Bayesian one. */
static enum err
make_search(const struct job_spec *spec, const struct db_insight_trial *trials, size_t count,
            struct search **search, struct err_info *info)
{
  struct search_spec wanted = {.method = "bayes",
                               .space = spec->space,
                               .seed = spec->seed,
                               .expected_trials = spec->budget_trials,
                               .prior_points = spec->warm_points,
                               .prior_values = spec->warm_values,
                               .prior_count = spec->warm_count};
  enum err err = search_new(&wanted, search, info);
  for (size_t i = 0; !err && i < count; i++)
    err = tell_trial(*search, spec, &trials[i], info);
  return err;
}

/* False when it replied; else the caller frees the search. */
static bool
open_search(struct http_request *req, struct job_search *opened)
{
  struct db_conn *conn = http_db(req);
  struct db_insight_trial *trials = NULL;
  const char *schema = NULL;
  struct db_job job;
  struct err_info info;
  size_t count = 0;

  *opened = (struct job_search){0};
  if (!conn || !job_find(req, conn, http_arg(req, "job"), &job))
    return false;
  enum db_status status = db_insight_schema(conn, req->tenant_id, job.id, req->arena, &schema);
  if (status == DB_ROWS)
    status = db_insight_trials(conn, job.id, TRIALS_MOST, req->arena, &trials, &count);
  if (status < DB_NONE || !schema)
  {
    http_reply_db(req, status, E_JOB_NOT_FOUND);
    return false;
  }
  if (!read_spec(req, &job, schema, &opened->spec))
    return false;
  enum err err = make_search(opened->spec, trials, count, &opened->view.search, &info);
  if (err)
  {
    search_free(opened->view.search);
    reply_failure(req, &info);
    return false;
  }
  opened->view.space = opened->spec->space;
  opened->view.higher = higher_is_better(opened->spec, trials, count);
  opened->view.next = strcmp(opened->spec->method, "bayes") == 0;
  return true;
}

static void
reply(struct http_request *req, enum err err, const struct err_info *info, json_t *json)
{
  if (!err)
    http_reply_json(req, 200, json);
  else if (err == ERR_NOT_FOUND)
    http_reply_error(req, E_TOO_FEW_TRIALS, arena_printf(req->arena, "%s.", info->text));
  else if (err == ERR_INVALID)
    http_reply_error(req, E_INVALID, arena_printf(req->arena, "%s.", info->text));
  else
    reply_failure(req, info);
}

/* A parameter of the query that must be there. NULL when it replied. */
static const char *
needed(struct http_request *req, const char *name)
{
  const char *value = http_query(req, name);
  if (value && *value)
    return value;
  http_reply_error(req, E_BAD_REQUEST,
                   arena_printf(req->arena, "Name a hyperparameter as ?%s=.", name));
  return NULL;
}

/* ---- the questions ------------------------------------------------------------------------------------ */

enum http_outcome
handle_job_importance(struct http_request *req)
{
  static const char *const known[] = {"focus", "pairs", NULL};
  struct search_importance_options options = {0};
  struct job_search opened;
  struct err_info info;
  json_t *json = NULL;
  int64_t pairs;

  if (!http_query_known(req, known) || !http_query_number(req, "focus", 0.01, 1, 1, &options.focus)
      || !http_query_integer(req, "pairs", 1, PAIRS_MOST, 10, &pairs) || !open_search(req, &opened))
    return HTTP_REPLIED;
  options.most_pairs = (size_t) pairs;
  enum err err = search_json_importance(&opened.view, &options, &json, &info);
  reply(req, err, &info, json);
  search_free(opened.view.search);
  return HTTP_REPLIED;
}

enum http_outcome
handle_job_slices(struct http_request *req)
{
  static const char *const known[] = {"param", "points", NULL};
  struct job_search opened;
  struct err_info info;
  json_t *json = NULL;
  const char *param;
  int64_t points;

  if (!http_query_known(req, known) || !(param = needed(req, "param"))
      || !http_query_integer(req, "points", 2, SEARCH_SLICE_POINTS_MOST, 50, &points)
      || !open_search(req, &opened))
    return HTTP_REPLIED;
  enum err err = search_json_slice(&opened.view, param, (size_t) points, &json, &info);
  reply(req, err, &info, json);
  search_free(opened.view.search);
  return HTTP_REPLIED;
}

enum http_outcome
handle_job_pairs(struct http_request *req)
{
  static const char *const known[] = {"x", "y", "points", NULL};
  struct job_search opened;
  struct err_info info;
  json_t *json = NULL;
  const char *x, *y;
  int64_t points;

  if (!http_query_known(req, known) || !(x = needed(req, "x")) || !(y = needed(req, "y"))
      || !http_query_integer(req, "points", 2, SEARCH_PAIR_POINTS_MOST, 20, &points)
      || !open_search(req, &opened))
    return HTTP_REPLIED;
  enum err err = search_json_pair(&opened.view, x, y, (size_t) points, &json, &info);
  reply(req, err, &info, json);
  search_free(opened.view.search);
  return HTTP_REPLIED;
}

enum http_outcome
handle_job_gain(struct http_request *req)
{
  static const char *const known[] = {NULL};
  struct job_search opened;
  struct err_info info;
  json_t *json = NULL;

  if (!http_query_known(req, known) || !open_search(req, &opened))
    return HTTP_REPLIED;
  enum err err = search_json_gain(&opened.view, &json, &info);
  reply(req, err, &info, json);
  search_free(opened.view.search);
  return HTTP_REPLIED;
}
