#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "base/text.h"
#include "server/handler/common.h"
#include "server/json_view.h"
#include "sql/db_audit.h"

#define ID_MOST 9e15

static json_t *
view_row(const struct db_audit *row)
{
  return json_pack("{s:I, s:o, s:o, s:s, s:o, s:i, s:s, s:s}", "id", (json_int_t) row->id, "time",
                   view_time(row->at_us), "key", view_text(row->key_id), "action", row->action,
                   "object", view_text(row->object), "status", row->status, "request_id",
                   row->request_id, "address", row->address);
}

enum http_outcome
handle_audit_list(struct http_request *req)
{
  static const char *const known[] = {"limit", "cursor", "after", "action", "key", "tenant", NULL};
  struct db_audit_filter filter = {.action = http_query(req, "action"),
                                   .key_id = http_query(req, "key")};
  const char *tenant = http_query(req, "tenant"), *cursor = http_query(req, "cursor");
  struct db_audit *rows = NULL;
  struct db_conn *conn;
  size_t count = 0;
  int64_t limit;
  if (!http_query_known(req, known) || !http_query_integer(req, "limit", 1, 1000, 100, &limit)
      || !http_query_integer(req, "after", 0, (int64_t) ID_MOST, -1, &filter.after))
    return HTTP_REPLIED;
  if (cursor && *cursor
      && (!text_parse_int64(cursor, strlen(cursor), &filter.before) || filter.before < 1))
  {
    http_reply_error(req, E_BAD_CURSOR, NULL);
    return HTTP_REPLIED;
  }
  if (cursor && *cursor && filter.after >= 0)
  {
    http_reply_error(req, E_BAD_REQUEST, "Give either ?cursor, to go back, or ?after, to go on.");
    return HTTP_REPLIED;
  }
  if (tenant && !req->root && strcmp(tenant, req->tenant_id) != 0)
  {
    http_reply_error(req, E_TENANT_NOT_FOUND, NULL);
    return HTTP_REPLIED;
  }
  if (!(conn = http_db(req)))
    return HTTP_REPLIED;
  enum db_status status = db_audit_list(conn, tenant ? tenant : req->tenant_id, &filter,
                                        (size_t) limit + 1, req->arena, &rows, &count);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_INTERNAL);
    return HTTP_REPLIED;
  }
  json_t *items = json_array();
  for (size_t i = 0; i < count && i < (size_t) limit; i++)
    json_array_append_new(items, view_row(&rows[i]));
  const char *next = count > (size_t) limit
                       ? arena_printf(req->arena, "%lld", (long long) rows[limit - 1].id)
                       : NULL;
  http_reply_list(req, items, next);
  return HTTP_REPLIED;
}
