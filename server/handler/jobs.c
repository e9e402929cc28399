#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "server/handler/common.h"
#include "server/handler/job_create.h"
#include "server/handler/job_estimate.h"
#include "server/json_view.h"
#include "sql/db_dataset.h"
#include "sql/db_job.h"

static json_t *
item_view(const void *row)
{
  return view_job(row, false);
}

static const char *
item_cursor(struct arena *arena, const void *row)
{
  const struct db_job *item = row;
  return db_cursor(arena, item->created_us, item->id);
}

enum http_outcome
handle_jobs_list(struct http_request *req)
{
  static const struct list_kind kind = {sizeof(struct db_job), item_view, item_cursor};
  struct db_conn *conn;
  struct list_page page;
  struct db_job *rows = NULL;
  enum db_status status;
  size_t count = 0;

  if (!list_page_read(req, &page) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  status =
    db_job_list(conn, req->tenant_id, page.cursor, page.limit + 1, req->arena, &rows, &count);
  reply_page(req, &page, status, rows, count, &kind);
  return HTTP_REPLIED;
}

enum http_outcome
handle_jobs_get(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_job row;

  if (conn && job_find(req, conn, http_arg(req, "job"), &row))
    http_reply_json(req, 200, view_job(&row, true));
  return HTTP_REPLIED;
}

enum http_outcome
handle_jobs_post(struct http_request *req)
{
  static const char *const known[] = {"validate_only", NULL};
  struct db_conn *conn;
  struct job_plan plan;
  struct db_job row;
  int64_t validate_only;

  if (!http_query_known(req, known)
      || !http_query_integer(req, "validate_only", 0, 1, 0, &validate_only)
      || !(conn = http_db(req)) || !job_plan_make(req, conn, req->json, &plan))
    return HTTP_REPLIED;
  if (validate_only)
    http_reply_json(req, 200, job_estimate_view(req, &plan));
  else if (job_plan_insert(req, conn, &plan) && job_find(req, conn, plan.id, &row))
  {
    json_t *view = view_job(&row, true);
    if (plan.webhook.id)
    {
      json_t *again = json_copy(view);
      json_object_set_new(again, "webhook", webhook_wish_view(&plan.webhook, false));
      http_reply_replay(req, again);
      json_object_set_new(view, "webhook", webhook_wish_view(&plan.webhook, true));
    }
    http_reply_created(req, 202, arena_printf(req->arena, "/api/v1/jobs/%s", plan.id), view);
  }
  job_plan_free(&plan);
  return HTTP_REPLIED;
}
