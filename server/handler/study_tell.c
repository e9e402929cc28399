#include <config.h>

#include "server/handler/handlers.h"

#include <math.h>
#include <string.h>

#include "base/log.h"
#include "server/handler/common.h"
#include "server/handler/study.h"

#define REASON_MAX_BYTES 1000

/* ---- what measure, should_stop and complete have in common ------------------------------------------------ */

struct tell
{
  struct study_call call;
  struct http_request *req;
  const char *trial_id;
  struct json_faults faults;
  /* measure */
  double step, value;
  /* complete */
  enum db_study_kind kind;
  double values[SEARCH_OBJECTIVES_MAX], constraints[SEARCH_CONSTRAINTS_MAX];
  size_t value_count, constraint_count;
  const json_t *given_constraints; /* an array, or an object by name; NULL = none */
  const char *reason;
  double seconds;
  /* of the last run */
  enum study_refusal refusal;
  const char *state; /* of the trial, now */
  double last_step;
  bool out_of_order, too_many, stop;
};

/* The state of the request, with `read` called the first time. NULL when it replied. */
static struct tell *
begin(struct http_request *req, void (*read)(struct tell *tell))
{
  static const char *const known[] = {NULL};
  struct tell *tell = req->state;

  if (tell)
    return tell;
  if (!http_query_known(req, known))
    return NULL;
  req->state = tell = arena_alloc(req->arena, sizeof *tell);
  if (!tell)
  {
    http_reply_error(req, E_INTERNAL, NULL);
    return NULL;
  }
  tell->req = req;
  tell->trial_id = http_arg(req, "trial");
  json_faults_init(&tell->faults, req->arena);
  read(tell);
  if (tell->faults.count == 0)
    return tell;
  http_reply_faults(req, E_INVALID, &tell->faults);
  return NULL;
}

/* The search refused what was checked before. */
static enum db_status
fail(const struct tell *tell, enum db_status status, const struct err_info *info)
{
  if (status != DB_ROWS)
    return status;
  log_error("trial %s: %s", tell->trial_id, info->text);
  return DB_HARD;
}

/* Finds the trial; *found is false when there is nothing more to do. */
static enum db_status
find(struct study_turn *turn, struct tell *tell, bool paused_too, struct db_study_trial *trial,
     bool *found)
{
  enum db_status status =
    study_trial_find(turn, tell->req->tenant_id, tell->trial_id, paused_too, trial, &tell->refusal);

  tell->stop = tell->out_of_order = tell->too_many = false;
  tell->state = NULL;
  if (status == DB_ROWS && tell->refusal != STUDY_NO_TRIAL)
    tell->state = arena_strdup(tell->req->arena, trial->state);
  *found = status == DB_ROWS && tell->refusal == STUDY_FINE;
  return status;
}

static void
reply_stop(struct http_request *req, const struct tell *tell)
{
  const char *reason = tell->stop ? "median" : NULL;

  if (strcmp(tell->state, "paused") == 0)
    reason = "rung";
  else if (strcmp(tell->state, "running") != 0)
    reason = "ended";
  json_t *view =
    json_pack("{s:b, s:s?, s:s}", "stop", tell->stop, "reason", reason, "state", tell->state);
  http_reply_json(req, 200, view);
}

/* ---- measure ------------------------------------------------------------------------------------------------- */

static void
read_measure(struct tell *tell)
{
  static const struct json_field fields[] = {
    {.name = "step", .kind = JSON_KIND_NUMBER, .required = true, .min = 1e-9, .max = 1e15},
    {.name = "value", .kind = JSON_KIND_NUMBER, .required = true},
    JSON_FIELD_END};
  const json_t *body = tell->req->json;

  if (!json_is_object(body))
    json_fault_add(&tell->faults, "", "send {\"step\": 1, \"value\": 0.5}",
                   "the body must be a JSON object");
  else
    json_check(body, fields, "", &tell->faults);
  tell->step = json_get_number(body, "step", NAN);
  tell->value = json_get_number(body, "value", NAN);
}

/* A trial's measure sent again, since its answer was lost. */
static bool
is_repeated(const struct tell *tell, const struct db_study_trial *trial)
{
  return trial->step == tell->step && trial->measured == tell->value;
}

static enum db_status
store_measure(struct study_turn *turn, struct tell *tell, const struct db_study_trial *trial)
{
  struct err_info info = {.code = ERR_OK};
  enum db_status status;
  struct db_study_entry entry = {.kind = DB_STUDY_MEASURE,
                                 .number = trial->number,
                                 .step = tell->step,
                                 .values = &tell->value,
                                 .value_count = 1,
                                 .seconds = NAN};
  enum err err = study_change(turn, &entry, false, &status, &info);

  if (err == ERR_CONFLICT && status == DB_ROWS)
  {
    tell->out_of_order = true;
    return DB_ROWS;
  }
  if (err)
    return fail(tell, status, &info);
  tell->stop = search_should_stop(turn->live->search, (uint64_t) trial->number);
  bool paused = tell->stop && study_spec_pauses(&turn->live->spec);
  if (paused)
    tell->state = "paused";
  return db_study_trial_measured(turn->conn, turn->head->id, trial->number, tell->step, tell->value,
                                 paused);
}

static enum db_status
measure_turn(struct study_turn *turn, void *context)
{
  struct tell *tell = context;
  struct db_study_trial trial;
  bool found;
  enum db_status status = find(turn, tell, false, &trial, &found);

  json_faults_init(&tell->faults, tell->req->arena);
  if (tell->refusal == STUDY_TRIAL_PAUSED && is_repeated(tell, &trial))
  {
    tell->refusal = STUDY_FINE;
    tell->stop = true;
    return status;
  }
  if (!found)
    return status;
  tell->last_step = trial.step;
  double most = turn->live->spec.most_steps;
  if (is_repeated(tell, &trial))
    tell->stop = search_should_stop(turn->live->search, (uint64_t) trial.number);
  else if (most > 0 && tell->step > most)
    json_fault_add(&tell->faults, "/step", NULL, "must be at most %g, a full run of this study",
                   most);
  else if (!isnan(trial.step) && tell->step <= trial.step)
    tell->out_of_order = true;
  else if ((size_t) trial.measures >= tell->req->limits->study_measures)
    tell->too_many = true;
  else
    status = store_measure(turn, tell, &trial);
  return status;
}

enum http_outcome
handle_study_measure(struct http_request *req)
{
  enum http_outcome outcome = HTTP_REPLIED;
  struct tell *tell = begin(req, read_measure);

  if (!tell || !study_call_run(req, &tell->call, measure_turn, tell, &outcome))
    return outcome;
  if (tell->refusal != STUDY_FINE)
    study_reply_refusal(req, tell->refusal, tell->state);
  else if (tell->faults.count > 0)
    http_reply_faults(req, E_INVALID, &tell->faults);
  else if (tell->out_of_order)
    http_reply_error(req, E_MEASURE_ORDER,
                     arena_printf(req->arena,
                                  "The trial was measured at step %g; the next step must be later.",
                                  tell->last_step));
  else if (tell->too_many)
    http_reply_quota(req, "study_measures", req->limits->study_measures,
                     req->limits->study_measures, "Measure less often.");
  else
    reply_stop(req, tell);
  return HTTP_REPLIED;
}

/* ---- should_stop ----------------------------------------------------------------------------------------------- */

static void
read_nothing(struct tell *tell)
{
  const json_t *body = tell->req->json;
  if (body && !(json_is_object(body) && json_object_size(body) == 0))
    json_fault_add(&tell->faults, "", "send no body", "this takes no members");
}

static enum db_status
stop_turn(struct study_turn *turn, void *context)
{
  struct tell *tell = context;
  struct db_study_trial trial;
  bool found;
  enum db_status status = find(turn, tell, false, &trial, &found);

  if (found)
    tell->stop = search_should_stop(turn->live->search, (uint64_t) trial.number);
  else
    tell->stop = tell->refusal != STUDY_NO_TRIAL;
  return status;
}

enum http_outcome
handle_study_should_stop(struct http_request *req)
{
  enum http_outcome outcome = HTTP_REPLIED;
  struct tell *tell = begin(req, read_nothing);

  if (!tell || !study_call_run(req, &tell->call, stop_turn, tell, &outcome))
    return outcome;
  if (tell->refusal == STUDY_NO_TRIAL)
    study_reply_refusal(req, tell->refusal, NULL);
  else
    reply_stop(req, tell);
  return HTTP_REPLIED;
}

/* ---- complete ---------------------------------------------------------------------------------------------------- */

static void
read_values(struct tell *tell, const json_t *body)
{
  const json_t *value = json_object_get(body, "value"), *values = json_object_get(body, "values");
  json_t *one;
  size_t index;

  if (json_is_number(value))
    tell->values[tell->value_count++] = json_number_value(value);
  json_array_foreach((json_t *) (uintptr_t) values, index, one)
  {
    if (!json_is_number(one))
      json_fault_add(&tell->faults, json_pointer_index(tell->faults.arena, "/values", index), NULL,
                     "must be a number");
    else if (tell->value_count < SEARCH_OBJECTIVES_MAX)
      tell->values[tell->value_count++] = json_number_value(one);
  }
}

/* One of four ways to end. */
static void
read_kind(struct tell *tell, const json_t *body)
{
  bool failed = json_get_bool(body, "failed", false), pruned = json_get_bool(body, "pruned", false);
  bool value = json_is_number(json_object_get(body, "value"));
  bool values = json_is_array(json_object_get(body, "values"));
  int ways = failed + pruned + value + values;

  tell->kind = failed ? DB_STUDY_FAILED : pruned ? DB_STUDY_PRUNE : DB_STUDY_TELL;
  if (ways == 0)
    json_fault_add(&tell->faults, "/value", "a run that failed is told with {\"failed\": true}",
                   "is missing");
  else if (ways > 1)
    json_fault_add(&tell->faults, "", "send one of value, values, failed and pruned",
                   "a trial ends in one way");
}

static void
read_complete(struct tell *tell)
{
  static const struct json_field fields[] = {
    {.name = "value", .kind = JSON_KIND_NUMBER, .nullable = true},
    {.name = "values",
     .kind = JSON_KIND_ARRAY,
     .nullable = true,
     .min = 1,
     .max = SEARCH_OBJECTIVES_MAX},
    {.name = "constraints", .kind = JSON_KIND_ANY, .nullable = true},
    {.name = "failed", .kind = JSON_KIND_BOOLEAN, .nullable = true},
    {.name = "pruned", .kind = JSON_KIND_BOOLEAN, .nullable = true},
    {.name = "reason",
     .kind = JSON_KIND_STRING,
     .nullable = true,
     .min = 1,
     .max = REASON_MAX_BYTES},
    {.name = "seconds", .kind = JSON_KIND_NUMBER, .nullable = true, .min = 0, .max = 1e12},
    JSON_FIELD_END};
  const json_t *body = tell->req->json;

  if (!json_is_object(body))
  {
    json_fault_add(&tell->faults, "", "send {\"value\": 0.5}", "the body must be a JSON object");
    return;
  }
  json_check(body, fields, "", &tell->faults);
  if (tell->faults.count > 0)
    return;
  read_kind(tell, body);
  read_values(tell, body);
  tell->given_constraints = json_object_get(body, "constraints");
  if (json_is_null(tell->given_constraints))
    tell->given_constraints = NULL;
  else if (tell->given_constraints && !json_is_array(tell->given_constraints)
           && !json_is_object(tell->given_constraints))
    json_fault_add(&tell->faults, "/constraints", "{\"name\": -1.5}",
                   "must be an object of numbers, or a list in the study's order");
  tell->reason = json_get_string(body, "reason", NULL);
  tell->seconds = json_get_number(body, "seconds", NAN);
}

/* The constraints by name, or as a list in the study's order. */
static void
read_constraints(struct tell *tell, const struct study_spec *spec)
{
  const json_t *given = tell->given_constraints;
  bool named = json_is_object(given);
  const char *name;
  json_t *item;

  tell->constraint_count = 0;
  if (given && !named && json_array_size(given) != spec->constraint_count)
    json_fault_add(&tell->faults, "/constraints",
                   "send one number for each constraint of the study", "must have %zu elements",
                   spec->constraint_count);
  for (size_t i = 0; i < spec->constraint_count && tell->faults.count == 0; i++)
  {
    item = named ? json_object_get(given, spec->constraints[i]) : json_array_get(given, i);
    if (json_is_number(item))
      tell->constraints[tell->constraint_count++] = json_number_value(item);
    else
      json_fault_add(&tell->faults,
                     named ? json_pointer(tell->faults.arena, "/constraints", spec->constraints[i])
                     : given ? json_pointer_index(tell->faults.arena, "/constraints", i)
                             : "/constraints",
                     "at most 0 means that it is met", "the number for %s is missing",
                     spec->constraints[i]);
  }
  if (!named)
    return;
  json_object_foreach((json_t *) (uintptr_t) given, name, item)
  {
    bool known = false;
    for (size_t i = 0; i < spec->constraint_count; i++)
      known = known || strcmp(spec->constraints[i], name) == 0;
    if (!known)
      json_fault_add(&tell->faults, json_pointer(tell->faults.arena, "/constraints", name), NULL,
                     "the study has no such constraint");
  }
}

static void
check_result(struct tell *tell, const struct study_spec *spec)
{
  if (tell->kind != DB_STUDY_TELL)
  {
    if (tell->given_constraints)
      json_fault_add(&tell->faults, "/constraints", "leave them out",
                     "only a trial with a result has constraints");
    return;
  }
  if (tell->value_count != spec->direction_count)
    json_fault_add(&tell->faults, spec->direction_count > 1 ? "/values" : "/value",
                   spec->direction_count > 1 ? "send {\"values\": […]}" : "send {\"value\": 0.5}",
                   "the study has %zu direction%s: %zu number%s needed", spec->direction_count,
                   spec->direction_count > 1 ? "s" : "", spec->direction_count,
                   spec->direction_count > 1 ? "s are" : " is");
  read_constraints(tell, spec);
}

/* Whether an ended trial was ended by this very request: its commit was not acknowledged, or its server died before
 * it could answer. */
static bool
is_own(const struct study_turn *turn, const struct tell *tell, const struct db_study_trial *trial)
{
  bool again = turn->attempt > 0 || http_is_second_attempt(tell->req);
  bool same =
    again && tell->refusal == STUDY_TRIAL_ENDED && trial->value_count == tell->value_count;
  for (size_t i = 0; same && i < tell->value_count; i++)
    same = trial->values[i] == tell->values[i];
  return same;
}

static enum db_status
complete_turn(struct study_turn *turn, void *context)
{
  static const char *const states[] = {
    [DB_STUDY_TELL] = "done", [DB_STUDY_FAILED] = "failed", [DB_STUDY_PRUNE] = "pruned"};
  struct tell *tell = context;
  struct err_info info = {.code = ERR_OK};
  struct db_study_trial trial;
  bool found;
  enum db_status status = find(turn, tell, true, &trial, &found);

  json_faults_init(&tell->faults, tell->req->arena);
  if (status == DB_ROWS && is_own(turn, tell, &trial))
  {
    tell->refusal = STUDY_FINE;
    return status;
  }
  if (!found)
    return status;
  check_result(tell, &turn->live->spec);
  if (tell->faults.count > 0)
    return DB_ROWS;
  struct db_study_entry entry = {.kind = tell->kind,
                                 .number = trial.number,
                                 .step = NAN,
                                 .values = tell->values,
                                 .value_count = tell->value_count,
                                 .constraints = tell->constraints,
                                 .constraint_count = tell->constraint_count,
                                 .seconds = tell->seconds};
  if (study_change(turn, &entry, false, &status, &info))
    return fail(tell, status, &info);
  return db_study_trial_end(turn->conn, turn->head->id, trial.number, states[tell->kind], &entry,
                            tell->reason);
}

enum http_outcome
handle_study_complete(struct http_request *req)
{
  enum http_outcome outcome = HTTP_REPLIED;
  struct tell *tell = begin(req, read_complete);
  struct db_study_trial trial;
  struct db_conn *conn;
  enum db_status status;

  if (!tell || !study_call_run(req, &tell->call, complete_turn, tell, &outcome))
    return outcome;
  if (tell->refusal != STUDY_FINE)
    study_reply_refusal(req, tell->refusal, tell->state);
  else if (tell->faults.count > 0)
    http_reply_faults(req, E_INVALID, &tell->faults);
  else if ((conn = http_db(req)))
  {
    status = db_study_trial_get(conn, req->tenant_id, http_arg(req, "study"), tell->trial_id,
                                req->arena, &trial);
    if (status == DB_ROWS)
      http_reply_json(req, 200, study_view_trial(&trial));
    else
      http_reply_db(req, status, E_TRIAL_NOT_FOUND);
  }
  return HTTP_REPLIED;
}
