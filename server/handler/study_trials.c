#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "server/handler/common.h"
#include "server/handler/study.h"
#include "server/json_view.h"

static const char *const states[] = {"running", "paused", "done", "pruned", "failed", "forgotten"};
#define STATE_COUNT (sizeof states / sizeof states[0])

/* ?limit, ?cursor and ?state. False when it replied. */
static bool
read_query(struct http_request *req, struct list_page *page, int64_t *after, const char **state)
{
  static const char *const known[] = {"limit", "cursor", "state", NULL};
  int64_t limit;
  bool legal = false;

  if (!http_query_known(req, known) || !http_query_integer(req, "limit", 1, 100, 20, &limit))
    return false;
  page->limit = (size_t) limit;
  page->cursor = http_query(req, "cursor");
  if (page->cursor && !*page->cursor)
    page->cursor = NULL;
  *state = http_query(req, "state");
  for (size_t i = 0; *state && i < STATE_COUNT; i++)
    legal = legal || strcmp(states[i], *state) == 0;
  if (*state && !legal)
  {
    http_reply_error(req, E_BAD_REQUEST,
                     "state is running, paused, done, pruned, failed or forgotten");
    return false;
  }
  return list_page_number(req, page, after);
}

enum http_outcome
handle_study_trials_list(struct http_request *req)
{
  struct db_study_trial *rows = NULL;
  struct list_page page;
  struct db_conn *conn;
  const char *state, *next = NULL;
  enum db_status status;
  int64_t after;
  size_t count = 0;
  json_t *items;

  if (!read_query(req, &page, &after, &state) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  status = db_study_trial_list(conn, req->tenant_id, http_arg(req, "study"), state, (int) after,
                               page.limit + 1, req->arena, &rows, &count);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_STUDY_NOT_FOUND);
    return HTTP_REPLIED;
  }
  items = json_array();
  for (size_t i = 0; i < count && i < page.limit; i++)
    json_array_append_new(items, study_view_trial(&rows[i]));
  if (count > page.limit)
    next = arena_printf(req->arena, "%d", rows[page.limit - 1].number);
  http_reply_list(req, items, next);
  return HTTP_REPLIED;
}

enum http_outcome
handle_study_trials_get(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_study_measure *measures = NULL;
  struct db_study_trial trial;
  struct db_study study;
  enum db_status status;
  json_t *view, *curve;
  size_t count = 0;

  if (!conn || !study_find(req, conn, &study))
    return HTTP_REPLIED;
  status =
    db_study_trial_get(conn, req->tenant_id, study.id, http_arg(req, "trial"), req->arena, &trial);
  if (status == DB_ROWS)
    status = db_study_curve(conn, study.id, trial.number, req->arena, &measures, &count);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_TRIAL_NOT_FOUND);
    return HTTP_REPLIED;
  }
  view = study_view_trial(&trial);
  curve = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(curve, json_pack("{s:f, s:f, s:o}", "step", measures[i].step, "value",
                                           measures[i].value, "at", view_time(measures[i].at_us)));
  json_object_set_new(view, "curve", curve);
  http_reply_json(req, 200, view);
  return HTTP_REPLIED;
}

/* ---- the best ---------------------------------------------------------------------------------------------- */

/* Whether a is at least as good as b in every direction and better in one. */
static bool
beats(const struct db_study_trial *a, const struct db_study_trial *b, const double *signs,
      size_t count)
{
  bool better = false;
  for (size_t i = 0; i < count; i++)
  {
    double x = signs[i] * a->values[i], y = signs[i] * b->values[i];
    if (x > y)
      return false;
    better = better || x < y;
  }
  return better;
}

/* Keeps the trials that no other beats, in their order; returns how many. */
static size_t
keep_front(struct db_study_trial *rows, size_t count, const double *signs, size_t directions)
{
  size_t front = 0;
  for (size_t i = 0; i < count; i++)
  {
    bool beaten = rows[i].value_count < directions;
    size_t kept = 0;
    for (size_t k = 0; k < front && !beaten; k++)
      beaten = beats(&rows[k], &rows[i], signs, directions);
    if (beaten)
      continue;
    for (size_t k = 0; k < front; k++)
      if (!beats(&rows[i], &rows[k], signs, directions))
        rows[kept++] = rows[k];
    front = kept;
    rows[front++] = rows[i];
  }
  return front;
}

static json_t *
view_best(struct db_study_trial *rows, size_t count, const json_t *directions)
{
  double signs[SEARCH_OBJECTIVES_MAX];
  size_t number = json_array_size(directions);
  json_t *items = json_array();

  for (size_t i = 0; i < number && i < SEARCH_OBJECTIVES_MAX; i++)
    signs[i] =
      strcmp(json_string_value(json_array_get(directions, i)), "maximize") == 0 ? -1.0 : 1.0;
  if (number > 1)
    count = keep_front(rows, count, signs, number);
  for (size_t i = 0; i < count; i++)
    json_array_append_new(items, study_view_trial(&rows[i]));
  return items;
}

enum http_outcome
handle_study_best(struct http_request *req)
{
  static const char *const known[] = {NULL};
  struct db_study_trial *rows = NULL;
  struct db_conn *conn;
  struct db_study study;
  enum db_status status;
  json_t *form, *directions;
  size_t count = 0;
  bool maximize;

  if (!http_query_known(req, known) || !(conn = http_db(req)) || !study_find(req, conn, &study))
    return HTTP_REPLIED;
  form = view_json(study.spec);
  directions = json_object_get(form, "directions");
  maximize = strcmp(json_string_value(json_array_get(directions, 0)), "maximize") == 0;
  status =
    db_study_trial_best(conn, study.id, maximize,
                        json_array_size(directions) > 1 ? req->server->limits.study_trials : 1,
                        req->arena, &rows, &count);
  if (status == DB_ROWS)
    http_reply_list(req, view_best(rows, count, directions), NULL);
  else
    http_reply_db(req, status, E_STUDY_NOT_FOUND);
  json_decref(form);
  return HTTP_REPLIED;
}
