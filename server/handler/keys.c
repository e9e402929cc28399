#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "base/clock.h"
#include "server/handler/common.h"
#include "server/handler/key_view.h"
#include "server/http_auth.h"
#include "server/names.h"
#include "sql/db_dataset.h"
#include "sql/db_tenant.h"

static const char *const scope_names[] = {"predict", "read", "train", "admin", NULL};

json_t *
key_scopes_json(unsigned scopes)
{
  json_t *names = json_array();
  for (size_t i = 0; scope_names[i]; i++)
    if (scopes & (1u << i))
      json_array_append_new(names, json_string(scope_names[i]));
  return names;
}

static json_t *
time_or_null(int64_t unix_us)
{
  char text[32];
  if (!unix_us)
    return json_null();
  clock_format_rfc3339(unix_us, text, sizeof text);
  return json_string(text);
}

json_t *
key_view(const struct db_key *key)
{
  return json_pack("{s:s, s:s, s:o, s:s?, s:o, s:o, s:o, s:b}", "id", key->id, "name", key->name,
                   "scopes", key_scopes_json(key->scopes), "model", key->model_name, "created_at",
                   time_or_null(key->created_us), "expires_at", time_or_null(key->expires_us),
                   "revoked_at", time_or_null(key->revoked_us), "usable", key->usable);
}

bool
key_is_new(const struct db_key *key, const uint8_t hash[32])
{
  return memcmp(key->hash, hash, sizeof key->hash) == 0;
}

struct key_request
{
  const char *name;
  unsigned scopes;
  const char *model;
  double expires_in_s;
};

/* False when it replied. */
static bool
read_request(struct http_request *req, struct key_request *wanted)
{
  static const struct json_field fields[] = {
    {.name = "name", .kind = JSON_KIND_STRING, .required = true, .min = 1, .max = 200},
    {.name = "scopes", .kind = JSON_KIND_STRING_ARRAY, .required = true, .min = 1, .max = 4},
    {.name = "model", .kind = JSON_KIND_STRING, .nullable = true},
    {.name = "expires_in_s", .kind = JSON_KIND_NUMBER, .nullable = true, .min = 1, .max = 3.2e9},
    JSON_FIELD_END,
  };
  struct json_faults faults;
  json_faults_init(&faults, req->arena);
  if (!req->json)
  {
    reply_fault(req, E_INVALID, "", "{\"name\":\"app\",\"scopes\":[\"predict\"]}",
                "a JSON object is needed");
    return false;
  }
  json_t *scopes = json_object_get(req->json, "scopes");
  json_check(req->json, fields, "", &faults);
  memset(wanted, 0, sizeof *wanted);
  wanted->name = json_get_string(req->json, "name", "");
  wanted->model = json_get_string(req->json, "model", NULL);
  wanted->expires_in_s = json_get_number(req->json, "expires_in_s", 0.0);
  for (size_t i = 0; i < json_array_size(scopes); i++)
  {
    const char *name = json_string_value(json_array_get(scopes, i));
    unsigned scope = 0;
    for (size_t n = 0; name && scope_names[n]; n++)
      if (strcmp(scope_names[n], name) == 0)
        scope = 1u << n;
    if (name && !scope)
      json_fault_add(&faults, json_pointer_index(req->arena, "/scopes", i),
                     "predict, read, train or admin", "there is no such scope");
    wanted->scopes |= scope;
  }
  if (*wanted->name && faults.count == 0 && !name_is_title(wanted->name))
    json_fault_add(&faults, "/name", NULL, "a name has no control characters");
  if (wanted->model && !name_is_model(wanted->model))
    json_fault_add(&faults, "/model", "the name of a model, not its id",
                   "no model can be called so");
  if (wanted->model && wanted->scopes != DB_SCOPE_PREDICT)
    json_fault_add(&faults, "/model", "give \"scopes\": [\"predict\"]",
                   "only a key with the scope predict alone can be bound to a model");
  if (faults.count == 0)
    return true;
  http_reply_faults(req, E_INVALID, &faults);
  return false;
}

struct insertion
{
  struct http_request *req;
  const struct key_request *wanted;
  const char *id;
  uint8_t hash[32];
  size_t count;
  bool too_many;
};

/* Under a lock, so that two requests at once don't both get the last place. A key that is there already is this
 * insert's own, run again after a lost answer. */
static enum db_status
insert_key(struct db_conn *conn, void *context)
{
  struct insertion *insertion = context;
  struct http_request *req = insertion->req;
  const struct key_request *wanted = insertion->wanted;
  struct db_key key;
  enum db_status status = db_tenant_lock(conn, req->tenant_id);
  if (status == DB_ROWS)
    status = db_key_count(conn, req->tenant_id, &insertion->count);
  insertion->too_many = status == DB_ROWS && insertion->count >= req->limits->keys;
  if (insertion->too_many)
  {
    status = db_key_get(conn, insertion->id, req->arena, &key);
    insertion->too_many = status == DB_NONE;
  }
  if (status == DB_ROWS)
    status = db_key_insert(conn, insertion->id, req->tenant_id, wanted->name, wanted->scopes,
                           wanted->model, insertion->hash, wanted->expires_in_s);
  return status;
}

enum http_outcome
handle_keys_post(struct http_request *req)
{
  struct key_request wanted;
  struct db_conn *conn;
  struct db_key key;
  char id[40], text[HTTP_TOKEN_SIZE];
  struct insertion insertion = {.req = req, .wanted = &wanted, .id = id};
  if (!read_request(req, &wanted) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  http_new_id(req, "key_", id, sizeof id);
  http_secret_new_key(id, text, insertion.hash);
  enum db_status status = db_tx_run(conn, "key_create", insert_key, &insertion);
  if (insertion.too_many)
  {
    http_reply_quota(req, "keys", insertion.count, req->limits->keys,
                     "Revoke keys that nobody uses.");
    return HTTP_REPLIED;
  }
  if (status == DB_ROWS)
    status = db_key_get(conn, id, req->arena, &key);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_TENANT_NOT_FOUND);
    return HTTP_REPLIED;
  }
  json_t *view = key_view(&key);
  http_reply_replay(req, json_copy(view));
  if (key_is_new(&key, insertion.hash))
    json_object_set_new(view, "key", json_string(text));
  http_reply_created(req, 201, arena_printf(req->arena, "/api/v1/keys/%s", id), view);
  return HTTP_REPLIED;
}

static json_t *
item_view(const void *row)
{
  return key_view(row);
}

static const char *
item_cursor(struct arena *arena, const void *row)
{
  const struct db_key *item = row;
  return db_cursor(arena, item->created_us, item->id);
}

enum http_outcome
handle_keys_list(struct http_request *req)
{
  static const struct list_kind kind = {sizeof(struct db_key), item_view, item_cursor};
  struct db_conn *conn;
  struct list_page page;
  struct db_key *rows = NULL;
  enum db_status status;
  size_t count = 0;

  if (!list_page_read(req, &page) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  status =
    db_key_list(conn, req->tenant_id, page.cursor, page.limit + 1, req->arena, &rows, &count);
  reply_page(req, &page, status, rows, count, &kind);
  return HTTP_REPLIED;
}

enum http_outcome
handle_keys_get(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_key key;
  if (!conn)
    return HTTP_REPLIED;
  enum db_status status = db_key_get(conn, http_arg(req, "key"), req->arena, &key);
  if (status == DB_ROWS && strcmp(key.tenant_id, req->tenant_id) != 0)
    status = DB_NONE;
  if (status == DB_ROWS)
    http_reply_json(req, 200, key_view(&key));
  else
    http_reply_db(req, status, E_KEY_NOT_FOUND);
  return HTTP_REPLIED;
}

enum http_outcome
handle_keys_delete(struct http_request *req)
{
  const char *id = http_arg(req, "key");
  struct db_conn *conn = http_db(req);
  if (!conn)
    return HTTP_REPLIED;
  enum db_status status = db_key_revoke(conn, req->tenant_id, id);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_KEY_NOT_FOUND);
    return HTTP_REPLIED;
  }
  http_auth_forget(req->server->auth, id);
  http_reply_empty(req);
  return HTTP_REPLIED;
}
