#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "tune/tune_prior.h"
#include "tune/tune_repeat.h"
#include "worker/worker_internal.h"

/* What the callback under the job's lock does, and what it leaves to be done outside of it. */
struct asking
{
  struct worker *worker;
  struct db_work_unit *unit;
  bool missing; /* a job is not ready yet: `wanted` says which */
  struct db_work_unit wanted;
  bool stopped; /* a search was ended, or something else changed: ask again */
  bool goes_on; /* a paused trial goes on: its units are pending */
};

static void
job_to_unit(const struct db_work_job *job, struct db_work_unit *unit)
{
  *unit = (struct db_work_unit){.job_id = job->id,
                                .tenant_id = job->tenant_id,
                                .spec = job->spec,
                                .schema = job->schema,
                                .dataset_id = job->dataset_id,
                                .dataset_blob = job->dataset_blob,
                                .dataset_bytes = job->dataset_bytes,
                                .attempts = 1,
                                .job_leased = job->live_units + 1,
                                .budget_left_s = INFINITY};
  memcpy(unit->dataset_sha256, job->dataset_sha256, sizeof unit->dataset_sha256);
}

static enum db_status
add_trial(struct db_conn *conn, const struct db_work_job *job, struct asking *asking,
          const struct prepared *prepared, const struct tune_suggestion *suggestion)
{
  struct db_work_unit *unit = asking->unit;
  struct db_work_lease lease;
  char *params = json_dumps(suggestion->params, JSON_COMPACT);
  if (params == NULL)
    return DB_HARD;
  int folds = (int) prepared->data->split->fold_count;
  struct db_work_rungs rungs = {.last = (int) suggestion->last_rung,
                                .until_epoch = (int) suggestion->until_epoch};
  double budget_s = prepared->data->spec->budget_seconds;
  enum db_status status = db_work_add_trial(
    conn, job, suggestion->family, params, suggestion->point, prepared->data->spec->space->count,
    folds, rungs.last > 0 ? &rungs : NULL, asking->worker->estate.name, &lease);
  job_to_unit(job, unit);
  unit->id = lease.unit_id;
  unit->lease_token = lease.lease_token;
  unit->trial_id = ""; /* known to the database only; a fit does not need it */
  unit->trial_number = job->trial_count + 1;
  unit->family = arena_strdup(asking->worker->arena, suggestion->family);
  unit->params = arena_strdup(asking->worker->arena, params);
  unit->fold_count = folds;
  unit->until_epoch = rungs.until_epoch;
  unit->again = suggestion->again;
  if (budget_s > 0)
    unit->budget_left_s = budget_s - job->elapsed_s;
  free(params);
  return unit->family == NULL || unit->params == NULL ? DB_HARD : status;
}

/* What the search sets out with, once; and why it ends where the reason alone does not tell. Both within the
 * transaction of what they tell. */
static enum db_status
tell_start(struct db_conn *conn, const struct db_work_job *job, const struct prepared *prepared)
{
  const struct job_spec *spec = prepared->data->spec;
  char families[400] = "", budget[120] = "";
  size_t used = 0;
  for (size_t i = 0; i < spec->family_count && used < sizeof families; i++)
    used += (size_t) snprintf(families + used, sizeof families - used, "%s%s", i > 0 ? ", " : "",
                              spec->families[i]);
  if (spec->budget_seconds > 0)
    snprintf(budget, sizeof budget, ", %g seconds", spec->budget_seconds);
  if (spec->budget_trials > 0)
    snprintf(budget + strlen(budget), sizeof budget - strlen(budget), ", %zu trials",
             spec->budget_trials);
  enum db_status status = db_job_log(
    conn, job->id, LOG_LEVEL_INFO, "search", 0,
    "the search begins: %s%s%s, seed %llu, %s; %s of %zu rows, %zu fit%s a trial%s", spec->method,
    strcmp(spec->early_stopping, "none") != 0 ? ", early stopping by " : "",
    strcmp(spec->early_stopping, "none") != 0 ? spec->early_stopping : "",
    (unsigned long long) spec->seed, families, task_kind_name(prepared->data->task.kind),
    prepared->data->split->row_count, prepared->data->split->fold_count,
    prepared->data->split->fold_count == 1 ? "" : "s", budget);
  return status < DB_NONE ? status : DB_ROWS;
}

static enum db_status
tell_repeat(struct db_conn *conn, const struct db_work_job *job, uint64_t trial)
{
  enum db_status status =
    db_job_log(conn, job->id, LOG_LEVEL_INFO, "trial", job->trial_count + 1,
               "it is trial %llu again with another seed: of those that are run twice the best on "
               "the mean wins",
               (unsigned long long) trial);
  return status < DB_NONE ? status : DB_ROWS;
}

static enum db_status
tell_gain(struct db_conn *conn, const struct db_work_job *job, const struct search_gain *gain)
{
  enum db_status status = db_job_log(conn, job->id, LOG_LEVEL_INFO, "search", 0,
                                     "no further trial: after %zu the best next one is expected to "
                                     "gain %.3g, none can be better by more"
                                     " than %.3g; a repeated trial would differ by %.3g",
                                     gain->trials, gain->expected, gain->regret_bound, gain->noise);
  return status < DB_NONE ? status : DB_ROWS;
}

static enum db_status
tell_left_out(struct db_conn *conn, const struct db_work_job *job, const struct prepared *prepared)
{
  if (!tune_repeat_left_out(prepared->study))
    return DB_ROWS;
  enum db_status status = db_job_log(
    conn, job->id, LOG_LEVEL_INFO, "search", 0,
    "the best trials are not run again with another seed: that would take too much of the "
    "budget, or more than is left of it");
  return status < DB_NONE ? status : DB_ROWS;
}

static enum db_status
tell_stop(struct db_conn *conn, const struct db_work_job *job, const struct prepared *prepared,
          const struct tune_suggestion *suggestion, double left_s)
{
  const struct job_spec *spec = prepared->data->spec;
  const char *reason = suggestion->stop_reason;
  double quickest_s = INFINITY;
  if (strcmp(reason, "no_gain") == 0)
    return tell_gain(conn, job, &suggestion->gain);
  if (strcmp(reason, "budget_seconds") != 0 || !(left_s > 0))
    return DB_ROWS;
  for (size_t i = 0; i < spec->family_count; i++)
    quickest_s = fmin(quickest_s, tune_study_cost(prepared->study, spec->families[i]));
  enum db_status status =
    db_job_log(conn, job->id, LOG_LEVEL_INFO, "search", 0,
               "no further trial: %.1f s are left for the search, the quickest takes about %.1f s"
               " of CPU time",
               left_s, quickest_s);
  return status < DB_NONE ? status : DB_ROWS;
}

static enum db_status
act(struct db_conn *conn, const struct db_work_job *job, struct asking *asking,
    const struct prepared *prepared, const struct tune_suggestion *suggestion, double left_s)
{
  enum db_status status = DB_ROWS;
  switch (suggestion->decision)
  {
  case TUNE_ADD:
    if (job->trial_count == 0)
      status = tell_start(conn, job, prepared);
    if (status == DB_ROWS)
      status = add_trial(conn, job, asking, prepared, suggestion);
    if (status == DB_ROWS && suggestion->repeats > 0)
      status = tell_repeat(conn, job, suggestion->repeats);
    return status;
  case TUNE_GO_ON:
    status = db_work_continue_trial(conn, job, (int) suggestion->trial, (int) suggestion->rung,
                                    (int) suggestion->until_epoch);
    asking->goes_on = status == DB_ROWS;
    return status;
  case TUNE_DROP:
    status = db_work_prune_trial(conn, job, (int) suggestion->trial,
                                 "worse than the median of the others at its rung");
    asking->stopped = status == DB_ROWS;
    return status;
  case TUNE_STOP:
    status = db_work_stop_search(conn, job, suggestion->stop_reason, suggestion->cancel_running);
    asking->stopped = status == DB_ROWS;
    if (status == DB_ROWS)
      status = tell_stop(conn, job, prepared, suggestion, left_s);
    if (status == DB_ROWS && strcmp(suggestion->stop_reason, "target_score") != 0)
      status = tell_left_out(conn, job, prepared);
    return status;
  case TUNE_WAIT:
    break;
  }
  return DB_NONE;
}

/* The range tests that the search is to begin with. */
static enum db_status
add_tests(struct db_conn *conn, const struct db_work_job *job, struct asking *asking,
          const struct prepared *prepared)
{
  const struct job_spec *spec = prepared->data->spec;
  struct arena *arena = asking->worker->arena;
  size_t count = tune_prior_count(spec), width = spec->space->count;
  struct db_range_wanted *wanted = arena_array(arena, count + 1, sizeof *wanted);
  double *points = arena_array(arena, count * width + 1, sizeof *points);
  enum db_status status = wanted != NULL && points != NULL ? DB_ROWS : DB_HARD;
  for (size_t i = 0; i < count && status == DB_ROWS; i++)
  {
    struct err_info info = {0};
    json_t *params = NULL;
    wanted[i].point = points + i * width;
    wanted[i].point_count = width;
    tune_prior_point(spec, i, points + i * width);
    enum err err = tune_point_params(spec, wanted[i].point, &wanted[i].family, &params, &info);
    char *text = err == ERR_OK ? json_dumps(params, JSON_COMPACT) : NULL;
    wanted[i].params = text != NULL ? arena_strdup(arena, text) : NULL;
    if (wanted[i].params == NULL)
      status = DB_HARD;
    free(text);
    json_decref(params);
  }
  if (status == DB_ROWS)
    status = db_range_add(conn, job, wanted, count);
  asking->stopped = status == DB_ROWS;
  return status;
}

static enum db_status
decide(struct db_conn *conn, const struct db_work_job *job, void *context)
{
  struct asking *asking = context;
  struct tune_suggestion suggestion;
  struct err_info info = {0};
  struct prepared *prepared = prepared_find(&asking->worker->prepared, job->id, job->spec);
  if (prepared == NULL)
  {
    /* Fetching and mapping may take long: not under the job's lock. */
    if (!asking->missing)
      job_to_unit(job, &asking->wanted);
    asking->missing = true;
    return DB_NONE;
  }
  log_job_id(job->id);
  enum db_status status = prepared_catch_up(prepared, conn, asking->worker->arena);
  if (status < DB_NONE)
    return status;
  const struct job_spec *spec = prepared->data->spec;
  if (spec->range_test && !job->has_tests && job->trial_count == 0 && tune_prior_count(spec) > 0)
    return add_tests(conn, job, asking, prepared);
  double budget_s = spec->budget_seconds;
  size_t workers = asking->worker->options->workers, folds = prepared->data->split->fold_count;
  struct tune_situation situation = {
    .next_trial = (uint64_t) job->trial_count + 1,
    .search_s = budget_s > 0 ? budget_s - db_work_reserve_s(budget_s) : INFINITY,
    .search_left_s =
      budget_s > 0 ? budget_s - db_work_reserve_s(budget_s) - job->elapsed_s : INFINITY,
    .best_value = job->best_value,
    .metric = prepared->data->metric,
    .live_trials = (size_t) job->live_units,
    .workers = workers < folds ? workers : folds};
  if (tune_study_suggest(prepared->study, &situation, &suggestion, &info) != ERR_OK)
  {
    log_error("no suggestion: %s", info.text);
    return DB_HARD;
  }
  status = act(conn, job, asking, prepared, &suggestion, situation.search_left_s);
  json_decref(suggestion.params);
  return status;
}

/* Makes the job ready that the callback missed. A job that can't be run on its dataset fails here. */
static enum db_status
prepare(struct worker *worker, const struct db_work_unit *wanted)
{
  char path[PATH_MAX];
  struct err_info info = {0};
  log_job_id(wanted->job_id);
  enum err err = worker_dataset(worker, wanted, NULL, path, &info);
  if (err == ERR_OK)
    err =
      prepared_add(&worker->prepared, wanted->job_id, wanted->spec, wanted->schema, path, &info);
  if (err == ERR_OK)
    return DB_ROWS;
  log_warning("the job can't be prepared: %s", info.text);
  if (err == ERR_INVALID)
    return db_work_fail_job(worker->conn, wanted->job_id, "dataset_invalid", info.text);
  if (err == ERR_NOT_FOUND)
    return db_work_fail_job(worker->conn, wanted->job_id, "dataset_not_found", info.text);
  return err == ERR_UNAVAILABLE ? DB_SOFT : DB_HARD;
}

enum db_status
worker_ask(struct worker *worker, struct db_work_unit *unit)
{
  enum db_status status = DB_NONE;
  /* Each round either finds work, ends a search or a trial, or makes one job ready. */
  for (int round = 0; round < 2 * PREPARED_MOST; round++)
  {
    struct asking asking = {.worker = worker, .unit = unit};
    status = db_work_with_job(worker->conn, worker->arena, decide, &asking);
    if (status < DB_NONE)
    {
      /* What a study has seen may not be what was kept. */
      prepared_clear(&worker->prepared);
      break;
    }
    if (status == DB_ROWS && asking.goes_on)
    {
      /* Whoever comes first takes it. */
      status = db_work_claim(worker->conn, worker->estate.name, worker->arena, unit);
      if (status == DB_NONE)
        continue;
      break;
    }
    if (status == DB_ROWS && !asking.stopped)
      break;
    if (status == DB_NONE && !asking.missing)
      break;
    if (asking.missing && (status = prepare(worker, &asking.wanted)) < DB_NONE)
      break;
    status = DB_NONE;
  }
  log_job_id(NULL);
  return status;
}
