#include <config.h>

#include "server/handler/handlers.h"

#include "server/handler/common.h"
#include "server/json_view.h"
#include "sql/db_curve.h"

#define LIMIT_MOST 500
#define POINTS_MOST 200

struct curves_query
{
  int64_t after, limit, points;
};

/* ?limit, ?cursor and ?points. False when it replied. */
static bool
read_query(struct http_request *req, struct curves_query *query)
{
  static const char *const known[] = {"limit", "cursor", "points", NULL};
  struct list_page page = {0};

  if (!http_query_known(req, known)
      || !http_query_integer(req, "limit", 1, LIMIT_MOST, 100, &query->limit)
      || !http_query_integer(req, "points", 2, POINTS_MOST, 50, &query->points))
    return false;
  page.cursor = http_query(req, "cursor");
  if (page.cursor && !*page.cursor)
    page.cursor = NULL;
  return list_page_number(req, &page, &query->after);
}

static const char *
next_of(struct http_request *req, const struct curves_query *query, int64_t trials, int number)
{
  return trials < query->limit ? NULL : arena_printf(req->arena, "%d", number);
}

static void
append(json_t *item, const char *name, json_t *value)
{
  json_array_append_new(json_object_get(item, name), value);
}

enum http_outcome
handle_job_curves(struct http_request *req)
{
  struct curves_query query;
  struct db_epoch *rows = NULL;
  struct db_conn *conn;
  enum db_status status;
  json_t *items, *item = NULL;
  size_t count = 0;
  int64_t trials = 0;
  int number = 0;

  if (!read_query(req, &query) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  status = db_curve_list(conn, req->tenant_id, http_arg(req, "job"), query.after,
                         (size_t) query.limit, (int) query.points, req->arena, &rows, &count);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_JOB_NOT_FOUND);
    return HTTP_REPLIED;
  }
  items = json_array();
  for (size_t i = 0; i < count; i++)
  {
    const struct db_epoch *row = &rows[i];
    if (row->trial_number != number)
    {
      number = row->trial_number;
      trials++;
      item = json_pack("{s:i, s:s, s:i, s:i, s:[], s:[], s:[]}", "number", number, "trial",
                       row->trial_id, "fold", row->fold, "epoch_count", row->epoch_count, "epochs",
                       "valid_metric", "valid_loss");
      json_array_append_new(items, item);
    }
    if (row->epoch == 0)
      continue;
    append(item, "epochs", json_integer(row->epoch));
    append(item, "valid_metric", json_real_or_null(row->valid_metric));
    append(item, "valid_loss", json_real_or_null(row->valid_loss));
  }
  http_reply_list(req, items, next_of(req, &query, trials, number));
  return HTTP_REPLIED;
}

enum http_outcome
handle_study_curves(struct http_request *req)
{
  struct curves_query query;
  struct db_curve_measure *rows = NULL;
  struct db_conn *conn;
  enum db_status status;
  json_t *items, *item = NULL;
  size_t count = 0;
  int64_t trials = 0;
  int number = 0;

  if (!read_query(req, &query) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  status = db_curve_list_study(conn, req->tenant_id, http_arg(req, "study"), query.after,
                               (size_t) query.limit, (int) query.points, req->arena, &rows, &count);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_STUDY_NOT_FOUND);
    return HTTP_REPLIED;
  }
  items = json_array();
  for (size_t i = 0; i < count; i++)
  {
    const struct db_curve_measure *row = &rows[i];
    if (row->number != number)
    {
      number = row->number;
      trials++;
      item = json_pack("{s:i, s:s, s:s, s:[], s:[]}", "number", number, "trial", row->trial_id,
                       "state", row->state, "steps", "values");
      json_array_append_new(items, item);
    }
    if (row->value - row->value != 0.0) /* none was told */
      continue;
    append(item, "steps", json_real_or_null(row->step));
    append(item, "values", json_real_or_null(row->value));
  }
  http_reply_list(req, items, next_of(req, &query, trials, number));
  return HTTP_REPLIED;
}
