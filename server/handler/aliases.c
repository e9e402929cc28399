/* Aliases of a model: to a version, divided among several, back to where they pointed before. */
#include <config.h>

#include "server/handler/handlers.h"

#include <math.h>
#include <string.h>

#include "server/handler/common.h"
#include "server/handler/model_find.h"
#include "server/json_view.h"
#include "server/model_cache.h"
#include "server/model_route.h"
#include "server/names.h"
#include "server/shadow.h"
#include "sql/db_alias.h"
#include "sql/db_model.h"

#define CHANGES_SHOWN 20

/* What a PUT or DELETE asks for, and what came of it. */
struct alias_change
{
  struct http_request *req;
  const char *model_id, *model_name;
  const char *alias;
  const char *if_match, *if_none_match;
  bool rollback, removal;
  struct model_route route;
  struct db_alias row; /* as it is now */
  bool there;          /* whether it is, or was before its removal */
  enum
  {
    ALIAS_DONE,
    ALIAS_GONE,
    ALIAS_CHANGED, /* If-Match or If-None-Match does not hold */
    ALIAS_NO_VERSION,
    ALIAS_NO_FORMER
  } outcome;
};

/* ---- showing --------------------------------------------------------------------------------------- */

/* What an alias points to; version null where it was removed. */
static json_t *
target_view(const struct db_alias *row)
{
  struct model_route route = model_route_stored(row->version, row->split, row->shadow);

  return json_pack("{s:o, s:o, s:o, s:o, s:o}", "version",
                   row->version ? json_integer(row->version) : json_null(), "split",
                   model_route_json(&route), "shadow",
                   row->shadow ? json_integer(row->shadow) : json_null(), "changed_at",
                   view_time(row->changed_us), "changed_by", view_text(row->changed_by));
}

static json_t *
alias_view(const char *model_name, const struct db_alias *row)
{
  json_t *view = target_view(row);

  json_object_set_new(view, "model", json_string(model_name));
  json_object_set_new(view, "alias", json_string(row->alias));
  return view;
}

static const char *
etag_of(struct arena *arena, const struct db_alias *row)
{
  struct model_route route = model_route_stored(row->version, row->split, row->shadow);

  return model_route_etag(&route, arena);
}

enum http_outcome
handle_model_aliases_list(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_alias *rows = NULL;
  const char *id, *name;
  size_t count = 0;
  enum db_status status;
  json_t *items;

  if (!conn || !model_find(req, conn, &id, &name))
    return HTTP_REPLIED;
  status = db_alias_list(conn, id, req->arena, &rows, &count);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
    return HTTP_REPLIED;
  }
  items = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(items, alias_view(name, &rows[i]));
  http_reply_list(req, items, NULL);
  return HTTP_REPLIED;
}

/* How the shadow's answers compare, on this server since it started; null without a shadow. */
static json_t *
compared_view(struct http_request *req, const char *model_id, const struct db_alias *row)
{
  struct shadow_counts counts;

  if (!row->shadow)
    return json_null();
  shadows_count(req->server->shadows, model_id, row->alias, row->shadow, &counts);
  return json_pack("{s:I, s:I, s:o, s:I, s:I}", "rows", (json_int_t) counts.rows, "same",
                   (json_int_t) counts.same, "mean_difference",
                   json_real_or_null(counts.rows ? counts.difference / (double) counts.rows : NAN),
                   "errors", (json_int_t) counts.errors, "dropped", (json_int_t) counts.dropped);
}

enum http_outcome
handle_model_alias_get(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_alias row, *changes = NULL;
  const char *id, *name;
  size_t count = 0;
  enum db_status status;
  json_t *view, *items;

  if (!conn || !model_find(req, conn, &id, &name))
    return HTTP_REPLIED;
  status = db_alias_get(conn, id, http_arg(req, "alias"), req->arena, &row);
  if (status == DB_ROWS)
    status = db_alias_changes(conn, id, row.alias, CHANGES_SHOWN, req->arena, &changes, &count);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_ALIAS_NOT_FOUND);
    return HTTP_REPLIED;
  }
  items = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(items, target_view(&changes[i]));
  view = alias_view(name, &row);
  json_object_set_new(view, "changes", items);
  json_object_set_new(view, "compared", compared_view(req, id, &row));
  http_reply_header(req, "ETag", etag_of(req->arena, &row));
  http_reply_json(req, 200, view);
  return HTTP_REPLIED;
}

/* ---- changing -------------------------------------------------------------------------------------- */

static int
count_targets(const json_t *body)
{
  return (json_object_get(body, "version") != NULL) + (json_object_get(body, "split") != NULL)
         + (json_object_get(body, "rollback") != NULL);
}

/* The body and the path of a PUT. False when it replied. */
static bool
read_change(struct http_request *req, struct alias_change *change)
{
  static const struct json_field fields[] = {{.name = "version",
                                              .kind = JSON_KIND_INTEGER,
                                              .min = 1,
                                              .max = 1e9,
                                              .hint = "the number of the version"},
                                             {.name = "split", .kind = JSON_KIND_OBJECT},
                                             {.name = "shadow",
                                              .kind = JSON_KIND_INTEGER,
                                              .min = 1,
                                              .max = 1e9,
                                              .hint = "the number of the version"},
                                             {.name = "rollback", .kind = JSON_KIND_BOOLEAN},
                                             JSON_FIELD_END};
  static const char *const hint =
    "send {\"version\": 3}, {\"split\": {\"3\": 90, \"4\": 10}} or {\"rollback\": true}";
  struct json_faults faults;

  json_faults_init(&faults, req->arena);
  if (!name_is_model(change->alias))
    json_fault_add(&faults, "",
                   "use small letters, digits, dot, minus and underscore, not digits alone",
                   "\"%s\" is no name for an alias", change->alias);
  if (!json_is_object(req->json))
    json_fault_add(&faults, "", hint, "the body must be a JSON object");
  else if (json_check(req->json, fields, "", &faults) && count_targets(req->json) != 1)
    json_fault_add(&faults, count_targets(req->json) ? "" : "/version", hint,
                   "there must be one of version, split and rollback");
  if (faults.count == 0)
  {
    const json_t *split = json_object_get(req->json, "split");
    change->rollback = json_object_get(req->json, "rollback") != NULL;
    if (change->rollback && !json_get_bool(req->json, "rollback", false))
      json_fault_add(&faults, "/rollback", hint, "can only be true");
    if (split)
      model_route_read(split, "/split", &change->route, &faults);
    else if (!change->rollback)
      change->route = model_route_to((int) json_get_integer(req->json, "version", 0));
    change->route.shadow = (int) json_get_integer(req->json, "shadow", 0);
    if (change->rollback && change->route.shadow)
      json_fault_add(&faults, "/shadow", hint, "comes back with what it shadowed; leave it out");
  }
  if (faults.count > 0)
    http_reply_faults(req, E_INVALID, &faults);
  return faults.count == 0;
}

/* Whether a list of entity tags, or *, has this one. */
static bool
tag_listed(const char *list, const char *etag)
{
  size_t length = strlen(etag);

  if (strcmp(list, "*") == 0)
    return true;
  /* ours hold no comma outside their quotes but inside them; each is looked for as a whole */
  for (const char *at = strstr(list, etag); at; at = strstr(at + 1, etag))
    if ((at == list || strchr(" ,\t", at[-1])) && (!at[length] || strchr(" ,\t", at[length])))
      return true;
  return false;
}

static bool
preconditions_hold(const struct alias_change *change)
{
  const char *etag = change->there ? etag_of(change->req->arena, &change->row) : NULL;

  if (change->if_match && !(etag && tag_listed(change->if_match, etag)))
    return false;
  return !(change->if_none_match && etag && tag_listed(change->if_none_match, etag));
}

/* Its row, and by If-Match and If-None-Match whether it may be changed. */
static enum db_status
look(struct db_conn *conn, struct alias_change *change)
{
  enum db_status status =
    db_alias_get(conn, change->model_id, change->alias, change->req->arena, &change->row);

  change->there = status == DB_ROWS;
  if (status >= DB_NONE && !preconditions_hold(change))
    change->outcome = ALIAS_CHANGED;
  return status;
}

static enum db_status
versions_there(struct db_conn *conn, struct alias_change *change)
{
  struct http_request *req = change->req;
  struct db_model_version row;
  enum db_status status = DB_ROWS;

  for (size_t i = 0; i < change->route.count && status == DB_ROWS; i++)
    status = db_model_get(conn, req->tenant_id, change->model_id, change->route.parts[i].version,
                          NULL, req->arena, &row);
  if (status == DB_ROWS && change->route.shadow)
    status = db_model_get(conn, req->tenant_id, change->model_id, change->route.shadow, NULL,
                          req->arena, &row);
  if (status == DB_NONE)
    change->outcome = ALIAS_NO_VERSION;
  return status;
}

static enum db_status
change_now(struct db_conn *conn, void *context)
{
  struct alias_change *change = context;
  struct http_request *req = change->req;
  enum db_status status = db_alias_lock(conn, change->model_id);

  change->outcome = ALIAS_DONE;
  if (status == DB_NONE)
    change->outcome = ALIAS_GONE;
  if (status == DB_ROWS)
    status = look(conn, change);
  if (status < DB_NONE || change->outcome != ALIAS_DONE)
    return status;
  if (change->removal)
    return db_alias_delete(conn, change->model_id, change->alias);
  status = versions_there(conn, change);
  if (status == DB_ROWS)
    status =
      db_alias_put(conn, change->model_id, change->alias, model_route_main(&change->route),
                   model_route_text(&change->route, req->arena), change->route.shadow, req->key_id);
  if (status == DB_ROWS)
    status = db_alias_get(conn, change->model_id, change->alias, req->arena, &change->row);
  return status;
}

static void
reply_changed(struct http_request *req)
{
  http_reply_error(req, E_PRECONDITION_FAILED, NULL);
}

/* Where a rollback leads. The alias must still be as it is seen here when it is changed. False when it replied. */
static bool
find_former(struct http_request *req, struct db_conn *conn, struct alias_change *change)
{
  struct db_alias former;
  enum db_status status = look(conn, change);

  if (status >= DB_NONE && change->outcome == ALIAS_CHANGED)
  {
    reply_changed(req);
    return false;
  }
  if (status >= DB_NONE)
    status = db_alias_former(conn, change->model_id, change->alias,
                             change->there ? change->row.version : 0,
                             change->there ? change->row.split : NULL,
                             change->there ? change->row.shadow : 0, req->arena, &former);
  if (status == DB_NONE)
    http_reply_error(req, E_CONFLICT, "the alias has not pointed to anything else before");
  else if (status != DB_ROWS)
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
  if (status != DB_ROWS)
    return false;
  change->route = model_route_stored(former.version, former.split, former.shadow);
  if (change->there)
    change->if_match = etag_of(req->arena, &change->row);
  else
    change->if_none_match = "*";
  return true;
}

/* Loads what the alias will point to, so that the change costs no caller a wait, and what can't be loaded never
 * takes the place of what serves. False when it replied. */
static bool
load_targets(struct http_request *req, struct db_conn *conn, const struct alias_change *change)
{
  for (size_t i = 0; i < change->route.count + (change->route.shadow > 0); i++)
  {
    bool shadow = i == change->route.count;
    int version = shadow ? change->route.shadow : change->route.parts[i].version;
    struct err_info info = {.code = ERR_OK};
    struct model_ref ref = {.entry = NULL};
    const char *place = change->rollback           ? "/rollback"
                        : shadow                   ? "/shadow"
                        : change->route.count == 1 ? "/version"
                                                   : arena_printf(req->arena, "/split/%d", version);
    enum err rc = model_cache_get(req->server->models, conn, req->tenant_id, change->model_id,
                                  version, NULL, &ref, &info);
    if (rc == ERR_OK)
    {
      model_cache_release(req->server->models, &ref);
      continue;
    }
    if (rc == ERR_NOT_FOUND)
      reply_fault(req, E_INVALID, place, "GET its versions to see which there are",
                  "model %s has no version %d", change->model_name, version);
    else if (rc == ERR_INTERNAL)
      reply_fault(req, E_INVALID, place, "point it to another version; nothing was changed",
                  "version %d of model %s can't be loaded: %s", version, change->model_name,
                  info.text);
    else
      reply_failure(req, &info);
    return false;
  }
  return true;
}

/* False when it replied. */
static bool
make_change(struct http_request *req, struct db_conn *conn, struct alias_change *change)
{
  enum db_status status = db_tx_run(conn, "alias_change", change_now, change);

  switch (status < DB_NONE ? ALIAS_DONE : change->outcome)
  {
  case ALIAS_CHANGED:
    reply_changed(req);
    return false;
  case ALIAS_NO_VERSION:
  case ALIAS_NO_FORMER:
    http_reply_error(req, E_CONFLICT, "a version was removed meanwhile; nothing was changed");
    return false;
  case ALIAS_GONE:
    http_reply_error(req, E_MODEL_NOT_FOUND, NULL);
    return false;
  case ALIAS_DONE:
  default:
    break;
  }
  if (status == DB_ROWS)
  {
    model_cache_forget(req->server->models, change->model_id);
    return true;
  }
  http_reply_db(req, status, E_ALIAS_NOT_FOUND);
  return false;
}

enum http_outcome
handle_model_alias_put(struct http_request *req)
{
  struct alias_change change = {.req = req,
                                .alias = http_arg(req, "alias"),
                                .if_match = http_header(req, "If-Match"),
                                .if_none_match = http_header(req, "If-None-Match")};
  struct db_conn *conn;

  if (!read_change(req, &change) || !(conn = http_db(req))
      || !model_find(req, conn, &change.model_id, &change.model_name)
      || (change.rollback && !find_former(req, conn, &change)) || !load_targets(req, conn, &change)
      || !make_change(req, conn, &change))
    return HTTP_REPLIED;
  http_reply_header(req, "ETag", etag_of(req->arena, &change.row));
  http_reply_json(req, 200, alias_view(change.model_name, &change.row));
  return HTTP_REPLIED;
}

enum http_outcome
handle_model_alias_delete(struct http_request *req)
{
  struct alias_change change = {.req = req,
                                .alias = http_arg(req, "alias"),
                                .if_match = http_header(req, "If-Match"),
                                .removal = true};
  struct db_conn *conn = http_db(req);

  if (!conn || !model_find(req, conn, &change.model_id, &change.model_name))
    return HTTP_REPLIED;
  if (!name_is_model(change.alias))
    http_reply_error(req, E_ALIAS_NOT_FOUND, NULL);
  else if (strcmp(change.alias, "best") == 0)
    http_reply_error(req, E_CONFLICT,
                     "calls that name no alias go to best; point it to another version instead");
  else if (make_change(req, conn, &change))
    http_reply_empty(req);
  return HTTP_REPLIED;
}
