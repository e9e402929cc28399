#include <config.h>

#include "server/handler/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "server/handler/common.h"
#include "server/handler/key_view.h"
#include "server/http_auth.h"
#include "server/json_view.h"
#include "server/names.h"
#include "server/tenant_limits.h"
#include "sql/db_dataset.h"
#include "sql/db_tenant.h"

static const char *const no_query[] = {NULL};

static json_t *
view_tenant(const void *row)
{
  const struct db_tenant *tenant = row;
  return json_pack("{s:s, s:s, s:b, s:b, s:o, s:o, s:o}", "id", tenant->id, "name", tenant->name,
                   "root", tenant->root, "disabled", tenant->disabled_us != 0, "disabled_at",
                   view_time(tenant->disabled_us), "created_at", view_time(tenant->created_us),
                   "limits", view_json(tenant->limits));
}

static const char *
tenant_cursor(struct arena *arena, const void *row)
{
  const struct db_tenant *tenant = row;
  return db_cursor(arena, tenant->created_us, tenant->id);
}

/* With the limits that hold and what is in use of them. */
static json_t *
view_whole(struct http_request *req, const struct db_tenant *tenant,
           const struct db_tenant_use *use)
{
  struct server_limits limits = req->server->limits;
  struct tenant_limits own;
  json_t *view = view_tenant(tenant);
  tenant_limits_read(tenant->limits, &own);
  tenant_limits_apply(&own, &limits);
  json_object_set_new(view, "effective_limits", tenant_limits_view(&limits));
  json_object_set_new(view, "used",
                      json_pack("{s:I, s:I, s:I, s:I}", "tenant_bytes",
                                (json_int_t) use->tenant_bytes, "live_jobs",
                                (json_int_t) use->live_jobs, "live_uploads",
                                (json_int_t) use->live_uploads, "keys", (json_int_t) use->keys));
  return view;
}

/* NULL when it replied: "self", and of those that are no root the own id, mean the caller's tenant. */
static const char *
tenant_asked(struct http_request *req)
{
  const char *id = http_arg(req, "tenant");
  if (strcmp(id, "self") == 0)
    return req->tenant_id;
  if (req->root || strcmp(id, req->tenant_id) == 0)
    return id;
  http_reply_error(req, E_TENANT_NOT_FOUND, NULL);
  return NULL;
}

/* Replies with the tenant as it is now. */
static void
reply_tenant(struct http_request *req, struct db_conn *conn, const char *id)
{
  struct db_tenant tenant;
  struct db_tenant_use use;
  enum db_status status = db_tenant_get(conn, id, req->arena, &tenant);
  if (status == DB_ROWS)
    status = db_tenant_use(conn, id, &use);
  if (status == DB_ROWS)
    http_reply_json(req, 200, view_whole(req, &tenant, &use));
  else
    http_reply_db(req, status, E_TENANT_NOT_FOUND);
}

/* ---- requests -------------------------------------------------------------------------------------- */

/* False when it replied. */
static bool
read_request(struct http_request *req, const struct json_field *fields)
{
  struct json_faults faults;
  json_faults_init(&faults, req->arena);
  if (!json_is_object(req->json))
  {
    reply_fault(req, E_INVALID, "", "{\"name\": \"team\", \"limits\": {\"live_jobs\": 5}}",
                "a JSON object is needed");
    return false;
  }
  const json_t *limits = json_object_get(req->json, "limits");
  const char *name = json_string_value(json_object_get(req->json, "name"));
  json_check(req->json, fields, "", &faults);
  if (json_is_object(limits))
    tenant_limits_check(limits, "/limits", &faults);
  if (name && faults.count == 0 && !name_is_title(name))
    json_fault_add(&faults, "/name", NULL, "a name has 1 to 200 bytes, without control characters");
  if (faults.count == 0)
    return true;
  http_reply_faults(req, E_INVALID, &faults);
  return false;
}

/* The request's limits as JSON text in the arena, NULL when it has none. */
static const char *
limits_text(struct http_request *req)
{
  const json_t *limits = json_object_get(req->json, "limits");
  char *text = limits ? json_dumps(limits, JSON_COMPACT) : NULL;
  const char *copy = text ? arena_strdup(req->arena, text) : NULL;
  free(text);
  return copy;
}

/* ---- handlers -------------------------------------------------------------------------------------- */

enum http_outcome
handle_tenants_post(struct http_request *req)
{
  static const struct json_field fields[] = {
    {.name = "name", .kind = JSON_KIND_STRING, .required = true, .min = 1, .max = 200},
    {.name = "limits", .kind = JSON_KIND_OBJECT},
    JSON_FIELD_END,
  };
  struct db_conn *conn;
  char id[40], key_id[40], secret[HTTP_TOKEN_SIZE];
  struct db_tenant tenant;
  struct db_tenant_use use;
  struct db_key key;
  if (!http_query_known(req, no_query) || !read_request(req, fields) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  const char *limits = limits_text(req);
  struct db_tenant_new made = {.id = id,
                               .name = json_get_string(req->json, "name", ""),
                               .limits = limits ? limits : "{}",
                               .key_id = key_id,
                               .key_name = "admin"};
  http_new_id(req, "ten_", id, sizeof id);
  http_new_id(req, "key_", key_id, sizeof key_id);
  http_secret_new_key(key_id, secret, made.key_hash);
  enum db_status status = db_tenant_insert(conn, &made);
  if (status == DB_NONE)
  {
    http_reply_error(req, E_TENANT_NAME_TAKEN, NULL);
    return HTTP_REPLIED;
  }
  if (status == DB_ROWS)
    status = db_tenant_get(conn, id, req->arena, &tenant);
  if (status == DB_ROWS)
    status = db_tenant_use(conn, id, &use);
  if (status == DB_ROWS)
    status = db_key_get(conn, key_id, req->arena, &key);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_INTERNAL);
    return HTTP_REPLIED;
  }
  json_t *view = view_whole(req, &tenant, &use);
  json_object_set_new(view, "admin_key", key_view(&key));
  http_reply_replay(req, json_deep_copy(view));
  if (key_is_new(&key, made.key_hash))
    json_object_set_new(json_object_get(view, "admin_key"), "key", json_string(secret));
  http_reply_created(req, 201, arena_printf(req->arena, "/api/v1/tenants/%s", id), view);
  return HTTP_REPLIED;
}

enum http_outcome
handle_tenants_list(struct http_request *req)
{
  static const struct list_kind kind = {sizeof(struct db_tenant), view_tenant, tenant_cursor};
  struct list_page page;
  struct db_conn *conn;
  struct db_tenant *tenants = NULL;
  size_t count = 0;
  if (!list_page_read(req, &page) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  enum db_status status =
    db_tenant_list(conn, page.cursor, page.limit + 1, req->arena, &tenants, &count);
  reply_page(req, &page, status, tenants, count, &kind);
  return HTTP_REPLIED;
}

enum http_outcome
handle_tenants_get(struct http_request *req)
{
  const char *id = http_query_known(req, no_query) ? tenant_asked(req) : NULL;
  struct db_conn *conn = id ? http_db(req) : NULL;
  if (conn)
    reply_tenant(req, conn, id);
  return HTTP_REPLIED;
}

enum http_outcome
handle_tenants_patch(struct http_request *req)
{
  static const struct json_field fields[] = {
    {.name = "name", .kind = JSON_KIND_STRING, .min = 1, .max = 200},
    {.name = "limits", .kind = JSON_KIND_OBJECT},
    {.name = "disabled", .kind = JSON_KIND_BOOLEAN},
    JSON_FIELD_END,
  };
  const char *id = http_query_known(req, no_query) ? tenant_asked(req) : NULL;
  struct db_conn *conn;
  bool name_taken = false;
  if (!id || !read_request(req, fields) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  const bool disabled = json_get_bool(req->json, "disabled", false);
  struct db_tenant_change change = {.name = json_get_string(req->json, "name", NULL),
                                    .limits = limits_text(req),
                                    .disabled =
                                      json_object_get(req->json, "disabled") ? &disabled : NULL};
  /* Who locks out the operator could not let them in again. */
  if (strcmp(id, req->tenant_id) == 0 && (disabled || change.limits))
  {
    http_reply_error(req, E_CONFLICT,
                     "The first tenant can't be disabled, and its limits are the installation's.");
    return HTTP_REPLIED;
  }
  enum db_status status = db_tenant_update(conn, id, &change, &name_taken);
  if (status == DB_ROWS)
  {
    http_auth_forget_tenant(req->server->auth, id);
    reply_tenant(req, conn, id);
  }
  else
    http_reply_db(req, status, name_taken ? E_TENANT_NAME_TAKEN : E_TENANT_NOT_FOUND);
  return HTTP_REPLIED;
}

enum http_outcome
handle_tenants_delete(struct http_request *req)
{
  const char *id = http_query_known(req, no_query) ? tenant_asked(req) : NULL;
  struct db_conn *conn = id ? http_db(req) : NULL;
  bool busy = false;
  if (!conn)
    return HTTP_REPLIED;
  enum db_status status = db_tenant_delete(conn, id, &busy);
  if (status == DB_ROWS)
  {
    http_auth_forget_tenant(req->server->auth, id);
    http_reply_empty(req);
  }
  else
    http_reply_db(req, status, busy ? E_TENANT_IN_USE : E_TENANT_NOT_FOUND);
  return HTTP_REPLIED;
}
