#include <config.h>

#include "server/handler/study.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "server/handler/common.h"
#include "server/json_view.h"

/* How often a request looks whether its turn has come when nobody has called it. */
#define LOOK_S 0.02

bool
study_find(struct http_request *req, struct db_conn *conn, struct db_study *row)
{
  enum db_status status =
    db_study_get(conn, req->tenant_id, http_arg(req, "study"), req->arena, row);

  if (status != DB_ROWS)
    http_reply_db(req, status, E_STUDY_NOT_FOUND);
  return status == DB_ROWS;
}

static enum http_outcome
wait_turn(struct http_request *req, const struct study_call *call)
{
  char key[STUDY_KEY_SIZE];

  if (http_must_answer(req) || clock_monotonic_s() > call->deadline_s)
  {
    http_busy_reason(req, "the study is busy");
    http_reply_busy(req, E_UNAVAILABLE, 2);
    return HTTP_REPLIED;
  }
  study_cache_key(call->ticket, key);
  http_park(req, key, LOOK_S);
  return HTTP_PARK;
}

bool
study_call_run(struct http_request *req, struct study_call *call,
               enum db_status (*fn)(struct study_turn *turn, void *context), void *context,
               enum http_outcome *outcome)
{
  const char *id = http_arg(req, "study");
  struct err_info info = {.code = ERR_OK};
  struct study_entry *entry;
  struct db_conn *conn;
  enum db_status status = DB_NONE;

  *outcome = HTTP_REPLIED;
  if (call->deadline_s <= 0.0)
    call->deadline_s = clock_monotonic_s() + 2.0 * req->server->limits.db_seconds;
  if (strlen(id) > 40) /* no id is that long */
  {
    http_reply_error(req, E_STUDY_NOT_FOUND, NULL);
    return false;
  }
  entry = study_cache_enter(req->server->studies, id, &call->ticket);
  if (!entry)
  {
    *outcome = wait_turn(req, call);
    return false;
  }
  conn = http_db(req);
  if (conn)
    status = study_cache_run(entry, conn, req->tenant_id, id, fn, context, &info);
  study_cache_leave(req->server->studies, entry);
  call->ticket = 0;
  if (!conn || status == DB_ROWS)
    return conn != NULL;
  if (status == DB_HARD && info.code != ERR_OK)
    reply_failure(req, &info);
  else
    http_reply_db(req, status, E_STUDY_NOT_FOUND);
  return false;
}

enum db_status
study_trial_find(struct study_turn *turn, const char *tenant_id, const char *trial_id,
                 bool paused_too, struct db_study_trial *trial, enum study_refusal *refusal)
{
  enum db_status status =
    db_study_trial_get(turn->conn, tenant_id, turn->head->id, trial_id, turn->arena, trial);

  *refusal = STUDY_FINE;
  if (status == DB_NONE)
    *refusal = STUDY_NO_TRIAL;
  else if (status == DB_ROWS && strcmp(trial->state, "paused") == 0)
    *refusal = paused_too ? STUDY_FINE : STUDY_TRIAL_PAUSED;
  else if (status == DB_ROWS && strcmp(trial->state, "running") != 0)
    *refusal = STUDY_TRIAL_ENDED;
  return status == DB_NONE ? DB_ROWS : status;
}

void
study_reply_refusal(struct http_request *req, enum study_refusal refusal, const char *state)
{
  switch (refusal)
  {
  case STUDY_NO_TRIAL:
    http_reply_error(req, E_TRIAL_NOT_FOUND, NULL);
    return;
  case STUDY_TRIAL_PAUSED:
    http_reply_error(req, E_TRIAL_PAUSED, NULL);
    return;
  case STUDY_TRIAL_ENDED:
  case STUDY_FINE:
    break;
  }
  http_reply_error(req, E_TRIAL_ENDED,
                   state ? arena_printf(req->arena, "The trial has already ended: it is %s.", state)
                         : NULL);
}

/* ---- views ----------------------------------------------------------------------------------------------- */

static void
copy_or(json_t *view, const json_t *form, const char *name, json_t *fallback)
{
  json_t *value = json_object_get(form, name);
  if (value)
    json_object_set(view, name, value);
  else
    json_object_set(view, name, fallback);
  json_decref(fallback);
}

/* All trials were made and none is still to bring anything. */
static bool
is_complete(const struct db_study *row, const json_t *form)
{
  json_int_t most = json_get_integer(form, "max_trials", 0);
  return most > 0 && row->trials_total - row->trials_forgotten >= most && row->trials_running == 0;
}

json_t *
study_view(const struct db_study *row, const json_t *form, bool full)
{
  json_t *view = json_object();

  json_object_set_new(view, "id", json_string(row->id));
  json_object_set_new(view, "name", json_string(row->name));
  json_object_set_new(view, "state", json_string(is_complete(row, form) ? "complete" : "open"));
  json_object_set(view, "directions", json_object_get(form, "directions"));
  json_object_set(view, "method", json_object_get(form, "method"));
  json_object_set(view, "seed", json_object_get(form, "seed"));
  copy_or(view, form, "max_trials", json_null());
  json_object_set(view, "early_stopping", json_object_get(form, "early_stopping"));
  copy_or(view, form, "steps", json_null());
  copy_or(view, form, "constraints", json_array());
  copy_or(view, form, "trial_timeout_s", json_null());
  copy_or(view, form, "stop_when", json_null());
  copy_or(view, form, "warm_start_from", json_null());
  json_object_set_new(view, "trials",
                      json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}", "running", row->trials_running,
                                "paused", row->trials_paused, "done", row->trials_done, "pruned",
                                row->trials_pruned, "failed", row->trials_failed, "forgotten",
                                row->trials_forgotten));
  json_object_set_new(view, "created_at", view_time(row->created_us));
  if (full)
    json_object_set(view, "space", json_object_get(form, "space"));
  return view;
}

static json_t *
view_numbers(const double *numbers, size_t count)
{
  json_t *list = count ? json_array() : json_null();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(list, json_real_or_null(numbers[i]));
  return list;
}

json_t *
study_view_trial(const struct db_study_trial *row)
{
  json_t *view = json_object();
  bool feasible = row->value_count > 0;

  for (size_t i = 0; i < row->constraint_count; i++)
    feasible = feasible && row->constraints[i] <= 0;
  json_object_set_new(view, "id", json_string(row->id));
  json_object_set_new(view, "number", json_integer(row->number));
  json_object_set_new(view, "state", json_string(row->state));
  json_object_set_new(view, "client_id", json_string(row->client_id));
  json_object_set_new(view, "params", view_json(row->params));
  json_object_set_new(view, "value", json_real_or_null(row->value_count ? row->values[0] : NAN));
  json_object_set_new(view, "values", view_numbers(row->values, row->value_count));
  json_object_set_new(view, "constraints", view_numbers(row->constraints, row->constraint_count));
  json_object_set_new(view, "feasible", row->value_count ? json_boolean(feasible) : json_null());
  json_object_set_new(view, "from_step", json_real_or_null(row->from_step));
  json_object_set_new(view, "until_step", json_real_or_null(row->until_step));
  json_object_set_new(view, "step", json_real_or_null(row->step));
  json_object_set_new(view, "measured", json_real_or_null(row->measured));
  json_object_set_new(view, "reason", view_text(row->reason));
  json_object_set_new(view, "seconds", json_real_or_null(row->seconds));
  json_object_set_new(view, "created_at", view_time(row->created_us));
  json_object_set_new(view, "ended_at", view_time(row->ended_us));
  return view;
}

json_t *
study_view_task(const struct db_study_trial *row)
{
  json_t *view = json_pack("{s:s, s:i, s:o}", "id", row->id, "number", row->number, "params",
                           view_json(row->params));

  if (row->until_step > 0)
  {
    json_object_set_new(view, "from_step", json_real(row->from_step));
    json_object_set_new(view, "until_step", json_real(row->until_step));
    json_object_set_new(view, "continued", json_boolean(row->from_step > 0));
  }
  return view;
}
