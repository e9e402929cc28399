#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "server/handler/common.h"
#include "server/json_view.h"
#include "server/model_cache.h"
#include "sql/db_alias.h"
#include "sql/db_dataset.h"
#include "sql/db_model.h"

#define VERSIONS_SHOWN 100

static json_t *
item_view(const void *row)
{
  return view_model(row);
}

static const char *
item_cursor(struct arena *arena, const void *row)
{
  const struct db_model_version *item = row;
  return db_cursor(arena, item->created_us, item->model_id);
}

enum http_outcome
handle_models_list(struct http_request *req)
{
  static const struct list_kind kind = {sizeof(struct db_model_version), item_view, item_cursor};
  struct db_conn *conn;
  struct list_page page;
  struct db_model_version *rows = NULL;
  enum db_status status;
  size_t count = 0;

  if (!list_page_read(req, &page) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  status =
    db_model_list(conn, req->tenant_id, page.cursor, page.limit + 1, req->arena, &rows, &count);
  reply_page(req, &page, status, rows, count, &kind);
  return HTTP_REPLIED;
}

/* The version the path means: {version} where `numbered`, else the one `best` points to. False when it
 * replied. */
static bool
find_version(struct http_request *req, struct db_conn *conn, struct db_model_version *row)
{
  int version;
  enum db_status status = DB_NONE;

  if (version_of_path(req, &version))
    status =
      db_model_get(conn, req->tenant_id, http_arg(req, "model"), version, NULL, req->arena, row);
  if (status == DB_ROWS)
    return true;
  http_reply_db(req, status, E_MODEL_NOT_FOUND);
  return false;
}

static json_t *
version_list(const struct db_model_version *rows, size_t count)
{
  json_t *items = json_array();

  for (size_t i = 0; i < count; i++)
    json_array_append_new(items, view_model(&rows[i]));
  return items;
}

enum http_outcome
handle_models_get(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_model_version row, *versions = NULL;
  struct db_alias *aliases = NULL;
  size_t version_count = 0, alias_count = 0;
  enum db_status status;
  json_t *view, *names;

  if (!conn || !find_version(req, conn, &row))
    return HTTP_REPLIED;
  status = db_model_version_list(conn, req->tenant_id, row.model_id, VERSIONS_SHOWN, req->arena,
                                 &versions, &version_count);
  if (status >= DB_NONE)
    status = db_alias_list(conn, row.model_id, req->arena, &aliases, &alias_count);
  if (status < DB_NONE)
  {
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
    return HTTP_REPLIED;
  }
  view = view_model(&row);
  names = json_object();
  for (size_t i = 0; i < alias_count; i++)
    json_object_set_new(names, aliases[i].alias, json_integer(aliases[i].version));
  json_object_set_new(view, "aliases", names);
  json_object_set_new(view, "versions", version_list(versions, version_count));
  http_reply_json(req, 200, view);
  return HTTP_REPLIED;
}

enum http_outcome
handle_model_versions_list(struct http_request *req)
{
  static const char *const known[] = {"limit", NULL};
  struct db_model_version *rows = NULL;
  struct db_conn *conn;
  enum db_status status;
  int64_t limit;
  size_t count = 0;

  if (!http_query_known(req, known) || !http_query_integer(req, "limit", 1, 1000, 100, &limit)
      || !(conn = http_db(req)))
    return HTTP_REPLIED;
  status = db_model_version_list(conn, req->tenant_id, http_arg(req, "model"), (size_t) limit,
                                 req->arena, &rows, &count);
  if (status < DB_NONE || count == 0)
    http_reply_db(req, status < DB_NONE ? status : DB_NONE, E_MODEL_NOT_FOUND);
  else
    http_reply_list(req, version_list(rows, count), NULL);
  return HTTP_REPLIED;
}

enum http_outcome
handle_model_version_get(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_model_version row;

  if (conn && find_version(req, conn, &row))
    http_reply_json(req, 200, view_model(&row));
  return HTTP_REPLIED;
}

/* JSON that was stored with the version. */
static void
reply_stored(struct http_request *req, const char *text)
{
  if (text)
    http_reply_json(req, 200, view_json(text));
  else
    http_reply_error(req, E_NOT_FOUND, "this version has none");
}

enum http_outcome
handle_model_report(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_model_version row;

  if (conn && find_version(req, conn, &row))
    reply_stored(req, row.report);
  return HTTP_REPLIED;
}

enum http_outcome
handle_model_schema(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_model_version row;

  if (conn && find_version(req, conn, &row))
    reply_stored(req, row.schema);
  return HTTP_REPLIED;
}
