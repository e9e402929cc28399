#include <config.h>

#include "server/handler/handlers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "data/metric.h"
#include "server/handler/common.h"
#include "server/handler/job_create.h"
#include "server/json_view.h"
#include "sql/db_job.h"
#include "sql/db_work.h"

#define EXTEND_TRIES 5

/* ---- what came of it ------------------------------------------------------------------------------- */

static void
reply_refusal(struct http_request *req, enum job_verb verb, enum job_answer answer)
{
  switch (answer)
  {
  case JOB_REFUSED_ENDED:
    http_reply_error(
      req, E_JOB_ENDED,
      verb == JOB_CANCEL ? NULL : "The job has already ended; POST …/extend makes it search on.");
    return;
  case JOB_REFUSED_FINISHING:
    http_reply_error(req, E_JOB_FINISHING, NULL);
    return;
  case JOB_REFUSED_CANCELLING:
    http_reply_error(req, E_JOB_CANCELLING, NULL);
    return;
  case JOB_REFUSED_QUOTA:
    http_reply_quota(req, "live_jobs", req->limits->live_jobs, req->limits->live_jobs,
                     "Wait until a job has ended, or pause or cancel one.");
    return;
  case JOB_REFUSED_DATASET:
    http_reply_error(req, E_JOB_NOT_EXTENDABLE,
                     "The job's dataset was deleted, or can't be used: nothing more can be "
                     "trained on it.");
    return;
  case JOB_REFUSED_FORGOTTEN:
    http_reply_error(req, E_JOB_NOT_EXTENDABLE,
                     "The models of the job's trials are not kept any more, so it can't go on.");
    return;
  case JOB_REFUSED_EXHAUSTED:
    http_reply_error(req, E_JOB_NOT_EXTENDABLE,
                     "The search had nothing left to try, whatever the budget.");
    return;
  case JOB_MOVED:
  case JOB_STAYED:
  case JOB_REFUSED_PAUSED:
  case JOB_REFUSED_EARLY:
  case JOB_REFUSED_CHANGED:
    http_reply_error(req, E_CONFLICT, "The job is changing just now; try again.");
    return;
  }
}

/* True when the job did as it was told (or did so before); else it replied. */
static bool
control(struct http_request *req, struct db_conn *conn, const struct db_job_control *wanted,
        enum job_answer *answer)
{
  enum db_status status =
    db_job_control(conn, req->tenant_id, http_arg(req, "job"), wanted, answer);

  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_JOB_NOT_FOUND);
    return false;
  }
  if (*answer == JOB_MOVED || *answer == JOB_STAYED)
    return true;
  if (*answer != JOB_REFUSED_CHANGED)
    reply_refusal(req, wanted->verb, *answer);
  return false;
}

static void
reply_job(struct http_request *req, struct db_conn *conn)
{
  struct db_job row;

  if (job_find(req, conn, http_arg(req, "job"), &row))
    http_reply_json(req, 202, view_job(&row, true));
}

/* Pause, resume, cancel: no body, one move. */
static enum http_outcome
control_simply(struct http_request *req, enum job_verb verb)
{
  struct db_conn *conn = http_db(req);
  struct db_job_control wanted = {
    .verb = verb, .by = req->key_id, .most_live = req->limits->live_jobs};
  enum job_answer answer = JOB_STAYED;

  if (!conn)
    return HTTP_REPLIED;
  if (req->json && !(json_is_object(req->json) && json_object_size(req->json) == 0))
    reply_fault(req, E_INVALID, "", "send no body", "this takes no members");
  else if (control(req, conn, &wanted, &answer))
    reply_job(req, conn);
  return HTTP_REPLIED;
}

enum http_outcome
handle_jobs_pause(struct http_request *req)
{
  return control_simply(req, JOB_PAUSE);
}

enum http_outcome
handle_jobs_resume(struct http_request *req)
{
  return control_simply(req, JOB_RESUME);
}

enum http_outcome
handle_jobs_cancel(struct http_request *req)
{
  return control_simply(req, JOB_CANCEL);
}

/* ---- extend: the new budget -------------------------------------------------------------------------- */

/* A budget under change: what is asked, what there is, what was used. */
struct extension
{
  struct http_request *req;
  const json_t *asked;
  json_t *budget; /* of the spec that will be stored */
  const struct db_job *job;
  const json_t *spec;
  struct json_faults faults;
};

static void
raise_seconds(struct extension *ext)
{
  const json_t *value = json_object_get(ext->asked, "seconds");
  double have = json_get_number(ext->budget, "seconds", 0.0), want = json_number_value(value);
  double most = ext->req->limits->job_seconds;

  if (!value)
    return;
  if (!json_is_number(value) || !isfinite(want))
    json_fault_add(&ext->faults, "/seconds", NULL, "must be a number");
  else if (!(have > 0.0))
    json_fault_add(&ext->faults, "/seconds", "raise its other budget, or leave this out",
                   "the job has no limit in seconds that could be raised");
  else if (want <= have)
    json_fault_add(&ext->faults, "/seconds", "give the new total",
                   "is no increase: the budget is %g seconds", have);
  else if (want > most)
    json_fault_add(&ext->faults, "/seconds", NULL, "must be at most %g", most);
  else
    json_object_set_new(ext->budget, "seconds", json_real(want));
}

static void
raise_trials(struct extension *ext)
{
  const json_t *value = json_object_get(ext->asked, "trials");
  double have = json_get_number(ext->budget, "trials", 0.0), want = json_number_value(value);
  double most = (double) ext->req->limits->job_trials;

  if (!value)
    return;
  if (!json_is_number(value) || !(want == floor(want)) || !isfinite(want))
    json_fault_add(&ext->faults, "/trials", NULL, "must be a whole number");
  else if (!(have > 0.0))
    json_fault_add(&ext->faults, "/trials", "raise its other budget, or leave this out",
                   "the job has no limit in trials that could be raised");
  else if (want <= have)
    json_fault_add(&ext->faults, "/trials", "give the new total",
                   "is no increase: the budget is %.0f trials", have);
  else if (want > most)
    json_fault_add(&ext->faults, "/trials", NULL, "must be at most %.0f", most);
  else
    json_object_set_new(ext->budget, "trials", json_integer((json_int_t) want));
}

/* Whether `score` is at least as good as `than`; false while the metric is not known. */
static bool
is_as_good(const struct extension *ext, double score, double than)
{
  enum metric metric;

  if (!metric_parse(json_get_string(ext->spec, "metric", ""), &metric))
    return false;
  return metric_higher_is_better(metric) ? score >= than : score <= than;
}

static void
raise_target(struct extension *ext)
{
  const json_t *value = json_object_get(ext->asked, "target_score");
  const json_t *had = json_object_get(ext->budget, "target_score");
  double want = json_number_value(value);

  if (!value)
    return;
  if (!json_is_null(value) && (!json_is_number(value) || !isfinite(want)))
    json_fault_add(&ext->faults, "/target_score", NULL, "must be a number, or null for none");
  else if (!json_is_number(had))
    json_fault_add(&ext->faults, "/target_score", "leave it out",
                   "the job has no target score that could be raised");
  else if (json_is_null(value))
    json_object_del(ext->budget, "target_score");
  else if (is_as_good(ext, json_number_value(had), want))
    json_fault_add(&ext->faults, "/target_score", "null takes the target away",
                   "is no harder than the present target %g", json_number_value(had));
  else
    json_object_set_new(ext->budget, "target_score", json_real(want));
}

/* A search whose other budget is used up would end at once. */
static void
check_room(struct extension *ext)
{
  double trials = json_get_number(ext->budget, "trials", 0.0);
  double seconds = json_get_number(ext->budget, "seconds", 0.0);
  const json_t *target = json_object_get(ext->budget, "target_score");
  const struct db_job *job = ext->job;

  if (trials > 0.0 && job->trials_total >= trials)
    json_fault_add(&ext->faults, "/trials", "raise it, too", "all %d trials were made",
                   job->trials_total);
  if (seconds > 0.0 && job->elapsed_s >= seconds - db_work_reserve_s(seconds))
    json_fault_add(&ext->faults, "/seconds",
                   "raise it further; the last part of the budget is kept for the model",
                   "%.1f of the %g seconds are used up", job->elapsed_s, seconds);
  if (json_is_number(target) && job->best_trial_id
      && is_as_good(ext, job->best_value, json_number_value(target)))
    json_fault_add(&ext->faults, "/target_score", "raise it, too, or take it away with null",
                   "the best score, %g, has reached it", job->best_value);
}

/* The spec with the new budget, or NULL when it replied. */
static json_t *
extended_spec(struct http_request *req, const struct db_job *job)
{
  static const char *const known[] = {"seconds", "trials", "target_score", NULL};
  json_t *spec = view_json(job->spec);
  struct extension ext = {.req = req, .asked = req->json, .job = job, .spec = spec};
  const char *name;
  json_t *value;

  ext.budget = json_object_get(spec, "budget");
  json_faults_init(&ext.faults, req->arena);
  if (!json_is_object(req->json) || json_object_size(req->json) == 0)
    json_fault_add(&ext.faults, "", "send {\"seconds\": 600}, the new total",
                   "must be an object with seconds, trials or target_score");
  json_object_foreach(req->json, name, value)
  {
    if (strcmp(name, known[0]) != 0 && strcmp(name, known[1]) != 0 && strcmp(name, known[2]) != 0)
      json_fault_add(&ext.faults, arena_printf(req->arena, "/%s", name), NULL,
                     "there is no such member; there are seconds, trials and target_score");
  }
  if (ext.faults.count == 0)
  {
    raise_seconds(&ext);
    raise_trials(&ext);
    raise_target(&ext);
  }
  if (ext.faults.count == 0)
    check_room(&ext);
  if (ext.faults.count == 0 && job->stop_reason && strcmp(job->stop_reason, "no_gain") == 0)
    /* Who wants more trials than the rule gave wants them without it. */
    json_object_del(json_object_get(spec, "search"), "stop_when");
  if (ext.faults.count == 0)
    return spec;
  http_reply_faults(req, E_INVALID, &ext.faults);
  json_decref(spec);
  return NULL;
}

static const char *
budget_summary(struct arena *arena, const json_t *budget)
{
  struct buf text = {0};
  const char *name, *kept;
  json_t *value;

  json_object_foreach((json_t *) budget, name, value)
  {
    buf_printf(&text, "%s%s %g", text.length ? ", " : "the budget is now ", name,
               json_number_value(value));
  }
  kept = text.failed || !text.data ? "" : arena_strdup(arena, text.data);
  buf_free(&text);
  return kept;
}

/* One try. False when it replied, or when *answer says that the job was changed under it. */
static bool
extend(struct http_request *req, struct db_conn *conn, enum job_answer *answer)
{
  struct db_job row;
  struct buf text = {0};
  bool fine = false;
  json_t *spec;

  *answer = JOB_STAYED;
  if (!job_find(req, conn, http_arg(req, "job"), &row) || !(spec = extended_spec(req, &row)))
    return false;
  json_write(spec, &text);
  struct db_job_control wanted = {.verb = JOB_EXTEND,
                                  .by = req->key_id,
                                  .most_live = req->limits->live_jobs,
                                  .spec = text.data,
                                  .extended = row.extended,
                                  .summary =
                                    budget_summary(req->arena, json_object_get(spec, "budget"))};
  if (text.failed)
    http_reply_error(req, E_INTERNAL, NULL);
  else
    fine = control(req, conn, &wanted, answer);
  buf_free(&text);
  json_decref(spec);
  return fine;
}

enum http_outcome
handle_jobs_extend(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  enum job_answer answer = JOB_REFUSED_CHANGED;
  bool fine = false;

  if (!conn)
    return HTTP_REPLIED;
  for (int i = 0; i < EXTEND_TRIES && !fine && answer == JOB_REFUSED_CHANGED; i++)
    fine = extend(req, conn, &answer);
  if (fine)
    reply_job(req, conn);
  else if (answer == JOB_REFUSED_CHANGED)
    reply_refusal(req, JOB_EXTEND, answer);
  return HTTP_REPLIED;
}

/* ---- clone --------------------------------------------------------------------------------------------- */

/* A space names the families it is for: those that are not asked for any more go. */
static void
prune_space(json_t *request)
{
  json_t *space = json_object_get(json_object_get(request, "search"), "space"), *families, *family;
  json_t *kept = json_object();
  size_t index;

  families = json_object_get(request, "families");
  json_array_foreach(families, index, family)
  {
    const char *name = json_string_value(family);
    if (name && json_object_get(space, name))
      json_object_set(kept, name, json_object_get(space, name));
  }
  json_object_set_new(json_object_get(request, "search"), "space", kept);
}

/* The request that would make this job again, with the members given instead (new reference). */
static json_t *
clone_request(const struct db_job *job, const json_t *changes)
{
  json_t *request = view_json(job->spec), *value;
  json_t *search = json_object_get(request, "search");
  const char *name;

  view_spec(request);
  json_object_set_new(request, "dataset", json_string(job->dataset_id));
  json_object_set_new(request, "name", json_string(job->name));
  json_object_del(search, "seed");
  /* A model named by default is the job's own. */
  if (strcmp(json_get_string(request, "deploy_as", ""), job->id) == 0)
    json_object_del(request, "deploy_as");
  if (json_object_get(changes, "name") && !json_object_get(changes, "deploy_as"))
    json_object_del(request, "deploy_as");
  json_object_foreach((json_t *) changes, name, value)
  {
    json_object_set(request, name, value);
  }
  if (json_object_get(changes, "families") && !json_object_get(changes, "search"))
    prune_space(request);
  /* What can be searched hangs on what is taken over. */
  if (json_object_get(changes, "base_model") && !json_object_get(changes, "search"))
    json_object_del(search, "space");
  /* Another dataset may mean another task; it is derived anew. */
  if (json_object_get(changes, "dataset") || json_object_get(changes, "target"))
  {
    if (!json_object_get(changes, "task"))
      json_object_del(request, "task");
    if (!json_object_get(changes, "metric"))
      json_object_del(request, "metric");
  }
  return request;
}

enum http_outcome
handle_jobs_clone(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_job original, made;
  struct job_plan plan;
  json_t *request;

  if (!conn || !job_find(req, conn, http_arg(req, "job"), &original))
    return HTTP_REPLIED;
  if (req->json && !json_is_object(req->json))
  {
    reply_fault(req, E_INVALID, "", "send what should be different, or no body",
                "the body must be a JSON object");
    return HTTP_REPLIED;
  }
  request = clone_request(&original, req->json);
  if (job_plan_make(req, conn, request, &plan))
  {
    plan.origin.cloned_from = original.id;
    if (job_plan_insert(req, conn, &plan) && job_find(req, conn, plan.id, &made))
      http_reply_created(req, 202, arena_printf(req->arena, "/api/v1/jobs/%s", plan.id),
                         view_job(&made, true));
    job_plan_free(&plan);
  }
  json_decref(request);
  return HTTP_REPLIED;
}
