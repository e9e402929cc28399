#include <config.h>

#include "server/handler/webhooks.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "server/handler/common.h"
#include "server/handler/handlers.h"
#include "server/json_view.h"
#include "server/webhook_address.h"
#include "sql/db_dataset.h"
#include "sql/db_tenant.h"
#include "sql/db_webhook.h"

#define SECRET_LEAST 16
#define SECRET_MOST 200

static const char *const event_names[] = {"job.started",   "job.paused",    "job.succeeded",
                                          "job.failed",    "job.cancelled", "model.published",
                                          "dataset.ready", "dataset.failed"};
#define EVENT_COUNT (sizeof event_names / sizeof event_names[0])
static const char *const ends_of_a_job[] = {"job.succeeded", "job.failed", "job.cancelled"};

/* ---- reading --------------------------------------------------------------------------------------- */

/* The same for the same request, begun again after a crash. */
static const char *
new_id(struct http_request *req, const char *prefix)
{
  char id[40];
  http_new_id(req, prefix, id, sizeof id);
  return arena_strdup(req->arena, id);
}

static const char *
new_secret(struct http_request *req)
{
  unsigned char bytes[32];
  char text[sodium_base64_ENCODED_LEN(sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
  randombytes_buf(bytes, sizeof bytes);
  sodium_bin2base64(text, sizeof text, bytes, sizeof bytes,
                    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  return arena_printf(req->arena, "whsec_%s", text);
}

static void
check_url(struct http_request *req, const char *url, const char *pointer,
          struct json_faults *faults)
{
  const char *fault =
    webhook_url_fault(url, options_flag(req->server->options, "webhook-allow-private"));
  if (fault)
    json_fault_add(faults, pointer, "an address such as https://example.com/attune", "%s", fault);
}

static void
check_secret(const char *secret, const char *pointer, struct json_faults *faults)
{
  for (const char *c = secret; *c; c++)
    if (*c < '!' || *c > '~')
    {
      json_fault_add(faults, pointer, "leave it out and one is made",
                     "a secret has printable ASCII characters without blanks");
      return;
    }
}

static void
check_events(const json_t *events, struct http_request *req, struct json_faults *faults)
{
  for (size_t i = 0; i < json_array_size(events); i++)
  {
    const char *name = json_string_value(json_array_get(events, i));
    bool known = !name; /* its kind is a fault already */
    for (size_t k = 0; k < EVENT_COUNT && !known; k++)
      known = strcmp(event_names[k], name) == 0;
    if (!known)
      json_fault_add(faults, json_pointer_index(req->arena, "/events", i),
                     "job.started, job.paused, job.succeeded, job.failed, job.cancelled, "
                     "model.published, dataset.ready or dataset.failed",
                     "there is no such event");
  }
}

/* False when it replied. */
static bool
read_request(struct http_request *req, struct db_webhook_insert *insert, bool *secret_made)
{
  static const struct json_field fields[] = {
    {.name = "url", .kind = JSON_KIND_STRING, .required = true, .min = 1, .max = WEBHOOK_URL_MAX},
    {.name = "events",
     .kind = JSON_KIND_STRING_ARRAY,
     .required = true,
     .min = 1,
     .max = 2 * EVENT_COUNT},
    {.name = "secret",
     .kind = JSON_KIND_STRING,
     .nullable = true,
     .min = SECRET_LEAST,
     .max = SECRET_MOST},
    JSON_FIELD_END,
  };
  struct json_faults faults;
  json_faults_init(&faults, req->arena);
  if (!req->json)
  {
    reply_fault(req, E_INVALID, "",
                "{\"url\":\"https://example.com/attune\",\"events\":[\"job.succeeded\"]}",
                "a JSON object is needed");
    return false;
  }
  if (json_check(req->json, fields, "", &faults))
  {
    const json_t *events = json_object_get(req->json, "events");
    const char *secret = json_get_string(req->json, "secret", NULL);
    insert->url = json_get_string(req->json, "url", "");
    check_url(req, insert->url, "/url", &faults);
    check_events(events, req, &faults);
    if (secret)
      check_secret(secret, "/secret", &faults);
    *secret_made = !secret;
    insert->secret = secret ? secret : new_secret(req);
    insert->event_count = json_array_size(events);
    const char **names = arena_array(req->arena, insert->event_count, sizeof *names);
    for (size_t i = 0; names && i < insert->event_count; i++)
      names[i] = json_string_value(json_array_get(events, i));
    insert->events = names;
  }
  if (faults.count == 0 && insert->secret && insert->events)
    return true;
  if (faults.count)
    http_reply_faults(req, E_INVALID, &faults);
  else
    http_reply_error(req, E_INTERNAL, NULL);
  return false;
}

/* ---- views ----------------------------------------------------------------------------------------- */

static json_t *
view_webhook(const struct db_webhook *row)
{
  json_t *events = json_array();
  for (size_t i = 0; i < row->event_count; i++)
    json_array_append_new(events, json_string(row->events[i]));
  return json_pack("{s:s, s:s, s:o, s:o, s:o}", "id", row->id, "url", row->url, "events", events,
                   "job", view_text(row->job_id), "created_at", view_time(row->created_us));
}

static json_t *
view_delivery(const struct db_delivery *row)
{
  json_t *view = json_pack("{s:s, s:s, s:s, s:i}", "id", row->id, "event", row->event, "state",
                           row->state, "attempts", row->attempts);
  json_object_set_new(view, "last_status",
                      row->last_status ? json_integer(row->last_status) : json_null());
  json_object_set_new(view, "last_error", view_text(row->last_error));
  json_object_set_new(view, "created_at", view_time(row->created_us));
  json_object_set_new(view, "next_at", view_time(row->next_us));
  json_object_set_new(view, "ended_at", view_time(row->ended_us));
  return view;
}

/* ---- routes ---------------------------------------------------------------------------------------- */

struct insertion
{
  const struct http_request *req;
  struct db_webhook_insert insert;
  size_t count;
  bool too_many;
};

/* Under a lock, so that two requests at once don't both get the last place. A webhook that is there already is this
 * insert's own, run again after a lost answer. */
static enum db_status
insert_webhook(struct db_conn *conn, void *context)
{
  struct insertion *insertion = context;
  const struct http_request *req = insertion->req;
  struct db_webhook_insert *insert = &insertion->insert;
  struct db_webhook row;
  enum db_status status = db_tenant_lock(conn, req->tenant_id);
  if (status == DB_ROWS)
    status = db_webhook_count(conn, req->tenant_id, &insertion->count);
  insertion->too_many = status == DB_ROWS && insertion->count >= req->limits->webhooks;
  if (insertion->too_many)
  {
    status = db_webhook_get(conn, req->tenant_id, insert->id, req->arena, &row);
    insertion->too_many = status == DB_NONE;
  }
  if (status == DB_ROWS)
    status = db_webhook_insert(conn, insert, req->arena, &insert->secret);
  return status;
}

enum http_outcome
handle_webhooks_post(struct http_request *req)
{
  struct insertion insertion = {.req = req, .insert.tenant_id = req->tenant_id};
  struct db_webhook_insert *insert = &insertion.insert;
  struct db_webhook row;
  struct db_conn *conn;
  bool secret_made = false;
  if (!read_request(req, insert, &secret_made) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  insert->id = new_id(req, "wh_");
  enum db_status status = db_tx_run(conn, "webhook_create", insert_webhook, &insertion);
  if (insertion.too_many)
  {
    http_reply_quota(req, "webhooks", insertion.count, req->limits->webhooks,
                     "Delete one that is not needed.");
    return HTTP_REPLIED;
  }
  if (status == DB_ROWS)
    status = db_webhook_get(conn, req->tenant_id, insert->id, req->arena, &row);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_INTERNAL);
    return HTTP_REPLIED;
  }
  json_t *view = view_webhook(&row);
  http_reply_replay(req, json_copy(view));
  if (secret_made)
    json_object_set_new(view, "secret", json_string(insert->secret));
  http_reply_created(req, 201, arena_printf(req->arena, "/api/v1/webhooks/%s", insert->id), view);
  return HTTP_REPLIED;
}

static json_t *
webhook_item(const void *row)
{
  return view_webhook(row);
}

static const char *
webhook_cursor(struct arena *arena, const void *row)
{
  const struct db_webhook *item = row;
  return db_cursor(arena, item->created_us, item->id);
}

enum http_outcome
handle_webhooks_list(struct http_request *req)
{
  static const struct list_kind kind = {sizeof(struct db_webhook), webhook_item, webhook_cursor};
  struct list_page page;
  struct db_conn *conn;
  struct db_webhook *rows = NULL;
  size_t count = 0;
  if (!list_page_read(req, &page) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  enum db_status status =
    db_webhook_list(conn, req->tenant_id, page.cursor, page.limit + 1, req->arena, &rows, &count);
  reply_page(req, &page, status, rows, count, &kind);
  return HTTP_REPLIED;
}

/* The webhook of the path; false when it replied. */
static bool
find_webhook(struct http_request *req, struct db_conn **conn, struct db_webhook *row)
{
  *conn = http_db(req);
  if (!*conn)
    return false;
  enum db_status status =
    db_webhook_get(*conn, req->tenant_id, http_arg(req, "webhook"), req->arena, row);
  if (status != DB_ROWS)
    http_reply_db(req, status, E_WEBHOOK_NOT_FOUND);
  return status == DB_ROWS;
}

enum http_outcome
handle_webhooks_get(struct http_request *req)
{
  struct db_conn *conn;
  struct db_webhook row;
  if (find_webhook(req, &conn, &row))
    http_reply_json(req, 200, view_webhook(&row));
  return HTTP_REPLIED;
}

enum http_outcome
handle_webhooks_delete(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  if (!conn)
    return HTTP_REPLIED;
  enum db_status status = db_webhook_delete(conn, req->tenant_id, http_arg(req, "webhook"));
  if (status == DB_ROWS)
    http_reply_empty(req);
  else
    http_reply_db(req, status, E_WEBHOOK_NOT_FOUND);
  return HTTP_REPLIED;
}

static json_t *
delivery_item(const void *row)
{
  return view_delivery(row);
}

static const char *
delivery_cursor(struct arena *arena, const void *row)
{
  const struct db_delivery *item = row;
  return db_cursor(arena, item->created_us, item->id);
}

enum http_outcome
handle_webhook_deliveries(struct http_request *req)
{
  static const struct list_kind kind = {sizeof(struct db_delivery), delivery_item, delivery_cursor};
  struct list_page page;
  struct db_conn *conn;
  struct db_webhook row;
  struct db_delivery *rows = NULL;
  size_t count = 0;
  if (!list_page_read(req, &page) || !find_webhook(req, &conn, &row))
    return HTTP_REPLIED;
  enum db_status status = db_delivery_list(conn, req->tenant_id, row.id, page.cursor,
                                           page.limit + 1, req->arena, &rows, &count);
  reply_page(req, &page, status, rows, count, &kind);
  return HTTP_REPLIED;
}

enum http_outcome
handle_webhook_test(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  const char *delivery = new_id(req, "whd_");
  if (!conn)
    return HTTP_REPLIED;
  enum db_status status = db_webhook_ping(conn, req->tenant_id, http_arg(req, "webhook"), delivery);
  if (status == DB_ROWS)
    http_reply_json(
      req, 202, json_pack("{s:s, s:s, s:s}", "id", delivery, "event", "ping", "state", "pending"));
  else
    http_reply_db(req, status, E_WEBHOOK_NOT_FOUND);
  return HTTP_REPLIED;
}

/* ---- of a job -------------------------------------------------------------------------------------- */

bool
webhook_wish_take(struct http_request *req, json_t *request, struct webhook_wish *wish)
{
  static const struct json_field fields[] = {
    {.name = "url", .kind = JSON_KIND_STRING, .required = true, .min = 1, .max = WEBHOOK_URL_MAX},
    {.name = "secret",
     .kind = JSON_KIND_STRING,
     .nullable = true,
     .min = SECRET_LEAST,
     .max = SECRET_MOST},
    JSON_FIELD_END,
  };
  struct json_faults faults;
  const json_t *given = json_object_get(request, "webhook");
  const char *secret = NULL;
  memset(wish, 0, sizeof *wish);
  if (!given)
    return true;
  json_faults_init(&faults, req->arena);
  if (json_is_string(given))
    wish->url = arena_strdup(req->arena, json_string_value(given));
  else if (json_is_object(given))
  {
    if (json_check(given, fields, "/webhook", &faults))
    {
      wish->url = arena_strdup(req->arena, json_get_string(given, "url", ""));
      secret = json_get_string(given, "secret", NULL);
    }
  }
  else if (!json_is_null(given))
    json_fault_add(&faults, "/webhook", "\"https://example.com/attune\"",
                   "must be a URL, or an object with url and secret");
  if (wish->url)
    check_url(req, wish->url, json_is_string(given) ? "/webhook" : "/webhook/url", &faults);
  if (secret)
    check_secret(secret, "/webhook/secret", &faults);
  if (faults.count)
  {
    http_reply_faults(req, E_INVALID, &faults);
    return false;
  }
  if (wish->url)
  {
    wish->id = new_id(req, "wh_");
    wish->secret_made = !secret;
    wish->secret = secret ? arena_strdup(req->arena, secret) : new_secret(req);
  }
  json_object_del(request, "webhook");
  return true;
}

enum db_status
webhook_wish_insert(struct db_conn *conn, struct webhook_wish *wish, const char *tenant_id,
                    const char *job_id, struct arena *arena)
{
  struct db_webhook_insert insert = {.id = wish->id,
                                     .tenant_id = tenant_id,
                                     .job_id = job_id,
                                     .url = wish->url,
                                     .secret = wish->secret,
                                     .events = ends_of_a_job,
                                     .event_count = sizeof ends_of_a_job / sizeof ends_of_a_job[0]};
  return wish->id ? db_webhook_insert(conn, &insert, arena, &wish->secret) : DB_ROWS;
}

json_t *
webhook_wish_view(const struct webhook_wish *wish, bool with_secret)
{
  if (!wish->id)
    return NULL;
  json_t *view = json_pack("{s:s, s:s}", "id", wish->id, "url", wish->url);
  if (with_secret && wish->secret_made)
    json_object_set_new(view, "secret", json_string(wish->secret));
  return view;
}
