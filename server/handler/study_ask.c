#include <config.h>

#include "server/handler/handlers.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/space_json.h"
#include "server/handler/common.h"
#include "server/handler/study.h"

#define COUNT_MAX 64
#define CLIENT_MAX_BYTES 200
/* Suggestions are stored after so long at the latest; then others of the study have their turn. */
#define TURN_S 1.0

/* Why there is not as much as was asked for. */
enum shortage
{
  ASK_ENOUGH,
  ASK_LATER,     /* another turn brings more */
  ASK_COMPLETE,  /* max_trials were made */
  ASK_EXHAUSTED, /* no point is left */
  ASK_NO_GAIN,   /* the study's rule says that more is not worth it */
  ASK_LIMIT      /* the operator's limit on trials */
};

struct ask
{
  struct study_call call;
  const struct http_request *req;
  size_t count;
  const char *client_id;
  /* of the last run */
  json_t *items;
  enum shortage shortage;
  int added, forgotten;
  bool gain_known, no_gain;
};

/* ---- one trial ----------------------------------------------------------------------------------------------- */

static enum db_status
fail(const struct err_info *info)
{
  log_error("a suggestion could not be made: %s", info->text);
  return DB_HARD;
}

static enum db_status
store_new(struct study_turn *turn, const struct ask *ask, const double *point,
          struct db_study_trial *trial)
{
  struct err_info info = {.code = ERR_OK};
  enum db_status status = DB_HARD;
  struct buf text = {0};
  char id[32];
  json_t *params = space_point_to_json(turn->live->spec.space, point);
  struct db_study_entry entry = {.kind = DB_STUDY_ASK,
                                 .number = trial->number,
                                 .point = point,
                                 .point_count = turn->live->spec.space->count,
                                 .step = NAN,
                                 .seconds = NAN};

  json_write(params, &text);
  db_id_new("tr_", id, sizeof id);
  trial->id = arena_strdup(turn->arena, id);
  trial->params = text.failed || !params ? NULL : arena_strdup(turn->arena, text.data);
  trial->client_id = ask->client_id;
  if (trial->id && trial->params && !study_change(turn, &entry, true, &status, &info))
    status = db_study_trial_insert(turn->conn, turn->head->id, trial);
  buf_free(&text);
  json_decref(params);
  return status;
}

static enum db_status
store_continued(struct study_turn *turn, const struct ask *ask, struct db_study_trial *trial)
{
  struct err_info info = {.code = ERR_OK};
  enum db_status status;
  double from = trial->from_step, until = trial->until_step;
  struct db_study_entry entry = {
    .kind = DB_STUDY_CONTINUE, .number = trial->number, .step = NAN, .seconds = NAN};

  if (study_change(turn, &entry, true, &status, &info))
    return status;
  status = db_study_trial_number(turn->conn, turn->head->id, trial->number, turn->arena, trial);
  trial->client_id = ask->client_id;
  trial->from_step = from;
  trial->until_step = until;
  if (status == DB_ROWS)
    status = db_study_trial_continue(turn->conn, turn->head->id, trial);
  return status == DB_NONE ? DB_HARD : status;
}

/* Asks the search for one more and stores it; DB_NONE when it has none. */
static enum db_status
add_trial(struct study_turn *turn, struct ask *ask, bool only_paused)
{
  struct study_live *live = turn->live;
  struct err_info info = {.code = ERR_OK};
  struct search_suggestion suggestion;
  struct db_study_trial trial = {.from_step = NAN, .until_step = NAN};
  uint64_t number = (uint64_t) (turn->head->trial_count + ask->added + 1);
  double *point = arena_array(turn->arena, live->spec.space->count + 1, sizeof *point);
  enum db_status status;
  enum err err;

  if (!point)
    return DB_HARD;
  live->ahead = true;
  err = only_paused ? search_promote(live->search, &suggestion, point, &info)
                    : search_suggest(live->search, number, &suggestion, point, &info);
  if (err)
    return err == ERR_NOT_FOUND ? DB_NONE : fail(&info);
  trial.number = (int) suggestion.trial;
  if (live->spec.most_steps > 0)
  {
    trial.from_step = suggestion.from_step;
    trial.until_step = suggestion.until_step;
  }
  if (suggestion.continued)
    status = store_continued(turn, ask, &trial);
  else
  {
    status = store_new(turn, ask, point, &trial);
    ask->added++;
  }
  if (status == DB_ROWS)
    json_array_append_new(ask->items, study_view_task(&trial));
  return status;
}

/* ---- a turn -------------------------------------------------------------------------------------------------- */

/* Trials whose clients were not heard of for too long are nobody's any more. */
static enum db_status
forget_lost(struct study_turn *turn, struct ask *ask)
{
  double timeout_s = turn->live->spec.trial_timeout_s;
  struct err_info info = {.code = ERR_OK};
  int *numbers = NULL;
  size_t count = 0;

  if (timeout_s <= 0)
    return DB_ROWS;
  enum db_status status =
    db_study_trial_lost(turn->conn, turn->head->id, timeout_s, turn->arena, &numbers, &count);
  for (size_t i = 0; i < count && status == DB_ROWS; i++)
  {
    struct db_study_entry entry = {
      .kind = DB_STUDY_FORGET, .number = numbers[i], .step = NAN, .seconds = NAN};
    if (study_change(turn, &entry, false, &status, &info) && status == DB_ROWS)
      return fail(&info);
    if (status == DB_ROWS)
      status = db_study_trial_end(turn->conn, turn->head->id, numbers[i], "forgotten", &entry,
                                  "nothing was heard of its client");
    ask->forgotten++;
  }
  return status;
}

/* What the client still runs comes first: an answer that was lost loses nothing. */
static enum db_status
list_open(struct study_turn *turn, const struct ask *ask)
{
  struct db_study_trial *open = NULL;
  size_t count = 0;
  enum db_status status = db_study_trial_open(turn->conn, turn->head->id, ask->client_id,
                                              ask->count, turn->arena, &open, &count);

  for (size_t i = 0; i < count && status == DB_ROWS; i++)
    json_array_append_new(ask->items, study_view_task(&open[i]));
  return status;
}

/* Whether the study's rule ends it; worked out once a turn, before the first suggestion. */
static bool
is_without_gain(const struct study_turn *turn, struct ask *ask)
{
  struct search_gain gain;

  if (!ask->gain_known)
    ask->no_gain = search_gain_is_over(turn->live->search, &turn->live->spec.stop_when, &gain);
  ask->gain_known = true;
  return ask->no_gain;
}

static enum shortage
look_for_end(const struct study_turn *turn, struct ask *ask)
{
  size_t made = (size_t) (turn->head->trial_count + ask->added);
  size_t lost = (size_t) (turn->head->trials_forgotten + ask->forgotten);
  size_t most = turn->live->spec.max_trials;

  if (most > 0 && made - lost >= most)
    return ASK_COMPLETE;
  if (made >= ask->req->limits->study_trials)
    return ASK_LIMIT;
  return is_without_gain(turn, ask) ? ASK_NO_GAIN : ASK_ENOUGH;
}

static enum db_status
ask_turn(struct study_turn *turn, void *context)
{
  struct ask *ask = context;
  double until_s = clock_monotonic_s() + TURN_S;

  json_decref(ask->items);
  ask->items = json_array();
  ask->added = ask->forgotten = 0;
  ask->gain_known = false;
  ask->shortage = ASK_ENOUGH;
  if (!ask->items)
    return DB_HARD;
  enum db_status status = forget_lost(turn, ask);
  if (status == DB_ROWS)
    status = list_open(turn, ask);
  while (status == DB_ROWS && ask->shortage == ASK_ENOUGH
         && json_array_size(ask->items) < ask->count)
  {
    enum shortage end = look_for_end(turn, ask);
    status = add_trial(turn, ask, end != ASK_ENOUGH);
    if (status == DB_NONE)
      ask->shortage = end == ASK_ENOUGH ? ASK_EXHAUSTED : end;
    else if (clock_monotonic_s() > until_s)
      ask->shortage = ASK_LATER;
  }
  return status == DB_NONE ? DB_ROWS : status;
}

/* ---- the request ------------------------------------------------------------------------------------------- */

static bool
read_body(struct http_request *req, struct ask *ask)
{
  static const struct json_field fields[] = {
    {.name = "count", .kind = JSON_KIND_INTEGER, .min = 1, .max = COUNT_MAX},
    {.name = "client_id",
     .kind = JSON_KIND_STRING,
     .required = true,
     .min = 1,
     .max = CLIENT_MAX_BYTES,
     .hint = "any name of your own, one for each worker"},
    JSON_FIELD_END};
  struct json_faults faults;

  json_faults_init(&faults, req->arena);
  if (!json_is_object(req->json))
    json_fault_add(&faults, "", "send {\"client_id\": \"worker-1\"}",
                   "the body must be a JSON object");
  else
    json_check(req->json, fields, "", &faults);
  if (faults.count > 0)
  {
    http_reply_faults(req, E_INVALID, &faults);
    return false;
  }
  ask->req = req;
  ask->count = (size_t) json_get_integer(req->json, "count", 1);
  ask->client_id = json_get_string(req->json, "client_id", "");
  return true;
}

static void
reply_ask(struct http_request *req, struct ask *ask)
{
  if (json_array_size(ask->items) > 0)
  {
    http_reply_json(req, 200, json_pack("{s:O}", "trials", ask->items));
    return;
  }
  switch (ask->shortage)
  {
  case ASK_COMPLETE:
    http_reply_error(req, E_STUDY_COMPLETE, NULL);
    return;
  case ASK_LIMIT:
    http_reply_quota(req, "study_trials", req->limits->study_trials, req->limits->study_trials,
                     "Make another study, and let it start from this one.");
    return;
  case ASK_NO_GAIN:
    http_reply_error(req, E_STUDY_NO_GAIN, NULL);
    return;
  case ASK_EXHAUSTED:
  case ASK_LATER:
  case ASK_ENOUGH:
    break;
  }
  http_reply_error(req, E_STUDY_EXHAUSTED, NULL);
}

enum http_outcome
handle_study_suggest(struct http_request *req)
{
  static const char *const known[] = {NULL};
  struct ask *ask = req->state;
  enum http_outcome outcome = HTTP_REPLIED;
  bool ran = true;

  if (!ask)
  {
    req->state = ask = arena_alloc(req->arena, sizeof *ask);
    if (!ask || !http_query_known(req, known) || !read_body(req, ask))
      return HTTP_REPLIED;
  }
  do
    ran = study_call_run(req, &ask->call, ask_turn, ask, &outcome);
  while (ran && ask->shortage == ASK_LATER);
  if (ran)
    reply_ask(req, ask);
  json_decref(ask->items);
  ask->items = NULL;
  return outcome;
}
