#include <config.h>

#include "server/handler/handlers.h"

#include <math.h>

#include "server/handler/common.h"
#include "server/json_view.h"
#include "sql/db_curve.h"

#define LIMIT_MOST 500
#define POINTS_MOST 200

/* A page of curves while it is made: one item a trial, from rows in the order of trials. */
struct curves
{
  struct db_conn *conn;
  int64_t after, limit, points; /* as asked for */
  json_t *items, *item;         /* item: the trial's the rows are of now */
  int64_t trials;
  int number;
};

/* ?limit, ?cursor and ?points. False when it replied. */
static bool
read_query(struct http_request *req, struct curves *curves)
{
  static const char *const known[] = {"limit", "cursor", "points", NULL};
  struct list_page page = {0};

  *curves = (struct curves){0};
  if (!http_query_known(req, known)
      || !http_query_integer(req, "limit", 1, LIMIT_MOST, 100, &curves->limit)
      || !http_query_integer(req, "points", 2, POINTS_MOST, 50, &curves->points))
    return false;
  page.cursor = http_query(req, "cursor");
  if (page.cursor && !*page.cursor)
    page.cursor = NULL;
  return list_page_number(req, &page, &curves->after) && (curves->conn = http_db(req)) != NULL;
}

/* Whether a row begins the next trial, whose item is then to be added. */
static bool
is_next(const struct curves *curves, int number)
{
  return curves->trials == 0 || number != curves->number;
}

static void
add_item(struct curves *curves, int number, json_t *item)
{
  if (!curves->items)
    curves->items = json_array();
  curves->number = number;
  curves->item = item;
  curves->trials++;
  json_array_append_new(curves->items, item);
}

static void
append(const struct curves *curves, const char *name, json_t *value)
{
  json_array_append_new(json_object_get(curves->item, name), value);
}

static enum http_outcome
reply(struct http_request *req, struct curves *curves, enum db_status status,
      enum error_code missing)
{
  if (status != DB_ROWS)
    http_reply_db(req, status, missing);
  else
    http_reply_list(
      req, curves->items ? curves->items : json_array(),
      curves->trials < curves->limit ? NULL : arena_printf(req->arena, "%d", curves->number));
  return HTTP_REPLIED;
}

enum http_outcome
handle_job_curves(struct http_request *req)
{
  struct curves curves;
  struct db_epoch *rows = NULL;
  size_t count = 0;

  if (!read_query(req, &curves))
    return HTTP_REPLIED;
  enum db_status status =
    db_curve_list(curves.conn, req->tenant_id, http_arg(req, "job"), curves.after,
                  (size_t) curves.limit, (int) curves.points, req->arena, &rows, &count);
  for (size_t i = 0; status == DB_ROWS && i < count; i++)
  {
    const struct db_epoch *row = &rows[i];
    if (is_next(&curves, row->trial_number))
      add_item(&curves, row->trial_number,
               json_pack("{s:i, s:s, s:i, s:i, s:[], s:[], s:[]}", "number", row->trial_number,
                         "trial", row->trial_id, "fold", row->fold, "epoch_count", row->epoch_count,
                         "epochs", "valid_metric", "valid_loss"));
    if (row->epoch == 0)
      continue;
    append(&curves, "epochs", json_integer(row->epoch));
    append(&curves, "valid_metric", json_real_or_null(row->valid_metric));
    append(&curves, "valid_loss", json_real_or_null(row->valid_loss));
  }
  return reply(req, &curves, status, E_JOB_NOT_FOUND);
}

enum http_outcome
handle_study_curves(struct http_request *req)
{
  struct curves curves;
  struct db_curve_measure *rows = NULL;
  size_t count = 0;

  if (!read_query(req, &curves))
    return HTTP_REPLIED;
  enum db_status status =
    db_curve_list_study(curves.conn, req->tenant_id, http_arg(req, "study"), curves.after,
                        (size_t) curves.limit, (int) curves.points, req->arena, &rows, &count);
  for (size_t i = 0; status == DB_ROWS && i < count; i++)
  {
    const struct db_curve_measure *row = &rows[i];
    if (is_next(&curves, row->number))
      add_item(&curves, row->number,
               json_pack("{s:i, s:s, s:s, s:[], s:[]}", "number", row->number, "trial",
                         row->trial_id, "state", row->state, "steps", "values"));
    if (!isfinite(row->value)) /* none was told */
      continue;
    append(&curves, "steps", json_real_or_null(row->step));
    append(&curves, "values", json_real_or_null(row->value));
  }
  return reply(req, &curves, status, E_STUDY_NOT_FOUND);
}
