#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "base/clock.h"
#include "server/handler/common.h"
#include "server/handler/study.h"
#include "server/json_view.h"

/* How long a request sweeps. */
#define SWEEP_S 1.0

static json_t *
item_view(const void *row)
{
  const struct db_study *study = row;
  json_t *form = view_json(study->spec), *view = study_view(study, form, false);

  json_decref(form);
  return view;
}

static const char *
item_cursor(struct arena *arena, const void *row)
{
  const struct db_study *item = row;
  return db_cursor(arena, item->created_us, item->id);
}

enum http_outcome
handle_studies_list(struct http_request *req)
{
  static const struct list_kind kind = {sizeof(struct db_study), item_view, item_cursor};
  struct db_conn *conn;
  struct list_page page;
  struct db_study *rows = NULL;
  enum db_status status;
  size_t count = 0;

  if (!list_page_read(req, &page) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  status =
    db_study_list(conn, req->tenant_id, page.cursor, page.limit + 1, req->arena, &rows, &count);
  reply_page(req, &page, status, rows, count, &kind);
  return HTTP_REPLIED;
}

enum http_outcome
handle_studies_get(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_study row;
  json_t *form;

  if (conn && study_find(req, conn, &row))
  {
    form = view_json(row.spec);
    http_reply_json(req, 200, study_view(&row, form, true));
    json_decref(form);
  }
  return HTTP_REPLIED;
}

enum http_outcome
handle_studies_delete(struct http_request *req)
{
  double until_s = clock_monotonic_s() + SWEEP_S;
  struct db_conn *conn = http_db(req);
  enum db_status status;

  if (!conn)
    return HTTP_REPLIED;
  status = db_study_delete(conn, req->tenant_id, http_arg(req, "study"));
  if (status == DB_ROWS)
  {
    /* A usual one is swept away at once, the rest of a large one by and by. */
    while (db_study_sweep(conn) == DB_ROWS && clock_monotonic_s() < until_s)
      continue;
    http_reply_empty(req);
  }
  else
    http_reply_db(req, status, E_STUDY_NOT_FOUND);
  return HTTP_REPLIED;
}
