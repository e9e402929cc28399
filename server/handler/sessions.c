#include <config.h>

#include "server/handler/handlers.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "server/events.h"
#include "server/handler/common.h"
#include "server/handler/key_view.h"
#include "server/http_auth.h"
#include "sql/db_tenant.h"

#define SESSION_SECONDS 86400

static void
set_cookie(struct http_request *req, const char *value, long seconds)
{
  const char *proto = http_header(req, "X-Forwarded-Proto");
  bool secure = req->server->tls || (proto && strcasecmp(proto, "https") == 0);
  char text[256];
  snprintf(text, sizeof text, HTTP_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%ld%s",
           value, seconds, secure ? "; Secure" : "");
  http_reply_header(req, "Set-Cookie", text);
}

static json_t *
view_session(const struct db_key *key, const char *csrf)
{
  return json_pack("{s:b, s:s, s:s, s:s?, s:o, s:s?, s:s}", "signed_in", 1, "key_id", key->id,
                   "tenant", key->tenant_id, "name", key->name, "scopes",
                   key_scopes_json(key->scopes), "model", key->model_name, "csrf", csrf);
}

/* Finds the id of the key that a key's text or a code stands for. False when it replied. */
static bool
find_key(struct http_request *req, struct db_conn *conn, const char **key_id)
{
  const char *text = json_get_string(req->json, "key", NULL);
  const char *code = json_get_string(req->json, "code", NULL);
  if (text)
  {
    struct http_credential credential;
    struct http_identity identity;
    char header[HTTP_TOKEN_SIZE + 8];
    snprintf(header, sizeof header, "Bearer %s", text);
    enum http_auth_result result = HTTP_AUTH_REFUSED;
    if (strlen(text) < HTTP_TOKEN_SIZE && http_secret_parse_bearer(header, &credential))
    {
      const struct sockaddr *peer = http_peer(req);
      result = http_auth_check(req->server->auth, &credential, NULL, peer, &identity);
      if (result == HTTP_AUTH_ASK)
        result = http_auth_ask(req->server->auth, &credential, peer, &identity);
    }
    if (result == HTTP_AUTH_OK && identity.disabled)
    {
      http_reply_error(req, E_TENANT_DISABLED, NULL);
      return false;
    }
    if (result == HTTP_AUTH_OK)
      *key_id = arena_strdup(req->arena, identity.key_id);
    else if (result == HTTP_AUTH_SLOW_DOWN)
      http_reply_error(req, E_TOO_MANY_REQUESTS, NULL);
    else if (result == HTTP_AUTH_UNAVAILABLE)
      http_reply_busy(req, E_UNAVAILABLE, 2);
    else
      http_reply_error(req, E_UNAUTHENTICATED,
                       "This key is not known, has expired or was revoked.");
    return result == HTTP_AUTH_OK;
  }
  uint8_t hash[32];
  if (!http_auth_may_guess(req->server->auth, http_peer(req), false))
  {
    http_reply_error(req, E_TOO_MANY_REQUESTS, "Too many wrong codes came from your address.");
    return false;
  }
  http_secret_hash(code, hash);
  enum db_status status = db_sign_in_code_use(conn, hash, req->arena, key_id);
  if (status == DB_NONE)
    http_auth_may_guess(req->server->auth, http_peer(req), true);
  if (status == DB_NONE)
    http_reply_error(
      req, E_UNAUTHENTICATED,
      "This sign-in link was used or is too old; attuned --sign-in-url prints another.");
  else if (status != DB_ROWS)
    http_reply_db(req, status, E_INTERNAL);
  return status == DB_ROWS;
}

enum http_outcome
handle_session_post(struct http_request *req)
{
  static const struct json_field fields[] = {
    {.name = "key", .kind = JSON_KIND_STRING, .min = 1, .max = 200},
    {.name = "code", .kind = JSON_KIND_STRING, .min = 1, .max = 200},
    JSON_FIELD_END,
  };
  struct json_faults faults;
  struct db_conn *conn;
  const char *key_id = NULL;
  json_faults_init(&faults, req->arena);
  if (req->json)
    json_check(req->json, fields, "", &faults);
  if (faults.count == 0
      && (json_object_get(req->json, "key") != NULL)
           == (json_object_get(req->json, "code") != NULL))
    json_fault_add(&faults, "", "{\"key\": \"atk_…\"}", "give either key or code");
  if (faults.count > 0)
  {
    http_reply_faults(req, E_INVALID, &faults);
    return HTTP_REPLIED;
  }
  if (!(conn = http_db(req)) || !find_key(req, conn, &key_id))
    return HTTP_REPLIED;
  struct db_session session;
  char text[HTTP_TOKEN_SIZE], csrf[HTTP_TOKEN_SIZE];
  uint8_t hash[32], unused[32];
  http_secret_new(text, hash);
  http_secret_new(csrf, unused);
  enum db_status status = db_session_insert(conn, hash, key_id, csrf, SESSION_SECONDS);
  if (status == DB_ROWS)
    status = db_session_get(conn, hash, req->arena, &session);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_UNAUTHENTICATED);
    return HTTP_REPLIED;
  }
  /* for the audit */
  req->tenant_id = session.key.tenant_id;
  req->key_id = session.key.id;
  set_cookie(req, text, SESSION_SECONDS);
  http_reply_json(req, 201, view_session(&session.key, csrf));
  return HTTP_REPLIED;
}

enum http_outcome
handle_session_get(struct http_request *req)
{
  struct db_key key;
  if (!req->key_id)
  {
    http_reply_json(req, 200, json_pack("{s:b}", "signed_in", 0));
    return HTTP_REPLIED;
  }
  struct db_conn *conn = http_db(req);
  if (!conn)
    return HTTP_REPLIED;
  enum db_status status = db_key_get(conn, req->key_id, req->arena, &key);
  if (status == DB_ROWS)
    http_reply_json(req, 200, view_session(&key, req->csrf ? req->csrf : ""));
  else
    http_reply_db(req, status, E_UNAUTHENTICATED);
  return HTTP_REPLIED;
}

enum http_outcome
handle_session_delete(struct http_request *req)
{
  if (req->session_hash)
  {
    struct db_conn *conn = http_db(req);
    if (!conn)
      return HTTP_REPLIED;
    enum db_status status = db_session_delete(conn, req->session_hash);
    if (status < 0)
    {
      http_reply_db(req, status, E_INTERNAL);
      return HTTP_REPLIED;
    }
    http_auth_forget_session(req->server->auth, req->session_hash);
    event_hub_end_session(req->server->events, req->session_hash);
    /* Other servers of this database have it cached, too. */
    if (db_notify(conn, "key", req->key_id) < 0)
      log_warning("other servers were not told of a sign-out");
    set_cookie(req, "", 0);
  }
  http_reply_empty(req);
  return HTTP_REPLIED;
}
