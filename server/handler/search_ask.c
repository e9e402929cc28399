#include <config.h>

#include "server/handler/search_ask.h"

#include <math.h>
#include <string.h>

#include "search/slice.h"
#include "server/handler/common.h"

#define PAIRS_MOST 100

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

/* ---- the search --------------------------------------------------------------------------------------- */

static enum err
tell_trial(struct search *search, size_t width, const struct db_insight_trial *trial,
           struct err_info *info)
{
  uint64_t id = (uint64_t) trial->number;

  if (trial->point_count != width)
    return ERR_OK;
  enum err err = search_note_ask(search, id, trial->point, info);
  if (err)
    return err == ERR_INVALID ? ERR_OK : err;
  if (strcmp(trial->state, "done") == 0)
    return search_tell(search, id, trial->objective, info);
  return strcmp(trial->state, "failed") == 0 ? search_tell_failed(search, id, true, info) : ERR_OK;
}

bool
search_ask_replay(struct http_request *req, struct search_spec *wanted,
                  const struct db_insight_trial *trials, size_t count, struct search **search)
{
  struct err_info info;

  wanted->method = "bayes";
  enum err err = search_new(wanted, search, &info);
  for (size_t i = 0; !err && i < count; i++)
    err = tell_trial(*search, wanted->space->count, &trials[i], &info);
  if (!err)
    return true;
  search_free(*search);
  reply_failure(req, &info);
  return false;
}

/* ---- the questions ------------------------------------------------------------------------------------ */

enum http_outcome
search_ask_importance(struct http_request *req, search_ask_open open)
{
  static const char *const known[] = {"focus", "pairs", NULL};
  struct search_importance_options options = {0};
  struct search_json view = {0};
  struct err_info info;
  json_t *json = NULL;
  int64_t pairs;

  if (!http_query_known(req, known) || !http_query_number(req, "focus", 0.01, 1, 1, &options.focus)
      || !http_query_integer(req, "pairs", 1, PAIRS_MOST, 10, &pairs) || !open(req, &view))
    return HTTP_REPLIED;
  options.most_pairs = (size_t) pairs;
  enum err err = search_json_importance(&view, &options, &json, &info);
  reply(req, err, &info, json);
  search_free(view.search);
  return HTTP_REPLIED;
}

enum http_outcome
search_ask_slice(struct http_request *req, search_ask_open open)
{
  static const char *const known[] = {"param", "points", NULL};
  struct search_json view = {0};
  struct err_info info;
  json_t *json = NULL;
  const char *param;
  int64_t points;

  if (!http_query_known(req, known) || !(param = needed(req, "param"))
      || !http_query_integer(req, "points", 2, SEARCH_SLICE_POINTS_MOST, 50, &points)
      || !open(req, &view))
    return HTTP_REPLIED;
  enum err err = search_json_slice(&view, param, (size_t) points, &json, &info);
  reply(req, err, &info, json);
  search_free(view.search);
  return HTTP_REPLIED;
}

enum http_outcome
search_ask_pair(struct http_request *req, search_ask_open open)
{
  static const char *const known[] = {"x", "y", "points", NULL};
  struct search_json view = {0};
  struct err_info info;
  json_t *json = NULL;
  const char *x, *y;
  int64_t points;

  if (!http_query_known(req, known) || !(x = needed(req, "x")) || !(y = needed(req, "y"))
      || !http_query_integer(req, "points", 2, SEARCH_PAIR_POINTS_MOST, 20, &points)
      || !open(req, &view))
    return HTTP_REPLIED;
  enum err err = search_json_pair(&view, x, y, (size_t) points, &json, &info);
  reply(req, err, &info, json);
  search_free(view.search);
  return HTTP_REPLIED;
}

enum http_outcome
search_ask_gain(struct http_request *req, search_ask_open open)
{
  static const char *const known[] = {NULL};
  struct search_json view = {0};
  struct err_info info;
  json_t *json = NULL;

  if (!http_query_known(req, known) || !open(req, &view))
    return HTTP_REPLIED;
  enum err err = search_json_gain(&view, &json, &info);
  reply(req, err, &info, json);
  search_free(view.search);
  return HTTP_REPLIED;
}
