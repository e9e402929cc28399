#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "server/handler/common.h"
#include "server/json_view.h"
#include "sql/db_job.h"

/* The job of the path and the name of its metric (NULL while unknown). False when it replied. */
static bool
find_job(struct http_request *req, struct db_conn *conn, struct db_job *job, const char **metric)
{
  json_t *spec;

  if (!job_find(req, conn, http_arg(req, "job"), job))
    return false;
  spec = view_json(job->spec);
  *metric = json_get_string(spec, "metric", NULL);
  *metric = *metric ? arena_strdup(req->arena, *metric) : NULL;
  json_decref(spec);
  return true;
}

static enum http_outcome
reply_trials(struct http_request *req, enum db_trial_order order)
{
  struct db_conn *conn;
  struct list_page page;
  struct db_trial *rows = NULL;
  struct db_job job;
  const char *metric, *next = NULL;
  enum db_status status;
  json_t *items;
  size_t count = 0;
  int64_t after;

  if (!list_page_read(req, &page) || !list_page_number(req, &page, &after))
    return HTTP_REPLIED;
  conn = http_db(req);
  if (!conn || !find_job(req, conn, &job, &metric))
    return HTTP_REPLIED;
  status = db_trial_list(conn, req->tenant_id, job.id, order, after, page.limit + 1, req->arena,
                         &rows, &count);
  if (status < DB_NONE)
  {
    http_reply_db(req, status, E_JOB_NOT_FOUND);
    return HTTP_REPLIED;
  }
  items = json_array();
  for (size_t i = 0; i < count && i < page.limit; i++)
  {
    json_t *view = view_trial(&rows[i], metric);
    if (order == DB_TRIAL_BY_SCORE)
      json_object_set_new(view, "rank", json_integer((json_int_t) (after + (int64_t) i + 1)));
    json_array_append_new(items, view);
  }
  if (count > page.limit)
    next = arena_printf(req->arena, "%lld",
                        order == DB_TRIAL_BY_SCORE ? (long long) after + (long long) page.limit
                                                   : (long long) rows[page.limit - 1].number);
  http_reply_list(req, items, next);
  return HTTP_REPLIED;
}

enum http_outcome
handle_trials_list(struct http_request *req)
{
  return reply_trials(req, DB_TRIAL_BY_NUMBER);
}

enum http_outcome
handle_leaderboard(struct http_request *req)
{
  return reply_trials(req, DB_TRIAL_BY_SCORE);
}

/* Only the family cnn starts from one. */
static json_t *
base_of(const struct db_job *job, const struct db_trial *trial)
{
  json_t *spec = view_json(job->spec), *base;

  base = strcmp(trial->family, "cnn") == 0 ? view_base_model(spec) : json_null();
  json_decref(spec);
  return base;
}

enum http_outcome
handle_trials_get(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_epoch *epochs = NULL;
  struct db_trial trial;
  struct db_job job;
  const char *metric;
  enum db_status status;
  json_t *view, *curve;
  size_t count = 0;

  if (!conn || !find_job(req, conn, &job, &metric))
    return HTTP_REPLIED;
  status = db_trial_get(conn, req->tenant_id, job.id, http_arg(req, "trial"), req->arena, &trial);
  if (status == DB_ROWS)
  {
    status = db_epoch_list(conn, trial.id, req->arena, &epochs, &count);
    status = status == DB_NONE ? DB_ROWS : status;
  }
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_TRIAL_NOT_FOUND);
    return HTTP_REPLIED;
  }
  view = view_trial(&trial, metric);
  curve = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(curve, view_epoch(&epochs[i]));
  json_object_set_new(view, "epochs", curve);
  json_object_set_new(view, "base_model", base_of(&job, &trial));
  http_reply_json(req, 200, view);
  return HTTP_REPLIED;
}
