#include <config.h>

#include "server/http_internal.h"

#include <sodium.h>
#include <string.h>

static void
adopt_identity(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  const struct http_identity *identity = &exchange->identity;
  exchange->identified = true;
  req->tenant_id = identity->tenant_id;
  req->key_id = identity->key_id;
  req->key_model = *identity->key_model ? identity->key_model : NULL;
  req->scopes = identity->scopes;
  req->root = identity->root;
  req->by_cookie = identity->by_session;
  req->session_hash = identity->by_session ? identity->hash : NULL;
  req->csrf = identity->by_session ? identity->csrf : NULL;
  if (!identity->limits.set)
    return;
  struct server_limits *own = arena_alloc(req->arena, sizeof *own);
  if (!own)
    return;
  *own = req->server->limits;
  tenant_limits_apply(&identity->limits, own);
  req->limits = own;
}

/* Whether this is the model the key is bound to: by its name or its id. */
static bool
is_key_model(const struct http_exchange *exchange, const char *model)
{
  const struct http_identity *identity = &exchange->identity;
  size_t length = strcspn(model, "@");
  const char *const names[] = {identity->key_model, identity->key_model_id};
  for (size_t i = 0; i < 2; i++)
    if (*names[i] && strlen(names[i]) == length && strncmp(model, names[i], length) == 0)
      return true;
  return false;
}

static void
refuse_model(struct http_request *req)
{
  http_reply_error(req, E_FORBIDDEN,
                   arena_printf(req->arena,
                                "This key may only ask the model \"%s\" for predictions.",
                                req->key_model));
}

bool
http_key_allows(struct http_request *req, const char *model)
{
  if (!req->key_model || is_key_model(req->exchange, model))
    return true;
  refuse_model(req);
  return false;
}

static void
check_rights(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  const struct http_route *route = req->route;
  if (req->by_cookie && route->method != HTTP_GET)
  {
    const char *token = http_header(req, "X-CSRF-Token");
    size_t length = strlen(req->csrf);
    if (!token || strlen(token) != length || sodium_memcmp(token, req->csrf, length) != 0)
    {
      http_reply_error(req, E_CSRF, NULL);
      return;
    }
  }
  if ((route->flags & HTTP_ROOT) && !req->root)
  {
    http_reply_error(req, E_FORBIDDEN,
                     "This needs an admin key of the installation's first tenant.");
    return;
  }
  if ((route->flags & HTTP_PUBLIC) || !route->scope)
    return;
  if (!(req->scopes & (route->scope | DB_SCOPE_ADMIN)))
  {
    static const char *const names[] = {"predict", "read", "train", "admin"};
    const char *needed = "admin";
    for (size_t i = 0; i < 4; i++)
      if (route->scope & (1u << i))
      {
        needed = names[i];
        break;
      }
    http_reply_error(req, E_FORBIDDEN,
                     arena_printf(req->arena, "This needs a key with the scope \"%s\".", needed));
    return;
  }
  if (!req->key_model)
    return;
  if (!(route->scope & DB_SCOPE_PREDICT)
      || (!(route->flags & HTTP_NAMES_MODEL) && !is_key_model(exchange, http_arg(req, "model"))))
    refuse_model(req);
}

static void
settle(struct http_exchange *exchange, enum http_auth_result result)
{
  struct http_request *req = &exchange->req;
  bool optional = (req->route->flags & HTTP_WHO) != 0;
  exchange->identified = true;
  switch (result)
  {
  case HTTP_AUTH_OK:
    if (exchange->identity.disabled && optional)
      break;
    adopt_identity(exchange);
    if (exchange->identity.disabled)
      http_reply_error(req, E_TENANT_DISABLED, NULL);
    else if (http_account_begin(exchange))
      check_rights(exchange);
    break;
  case HTTP_AUTH_REFUSED:
  case HTTP_AUTH_ASK:
    if (!optional)
      http_reply_error(req, E_UNAUTHENTICATED,
                       "This key or session is not known, has expired or was revoked.");
    break;
  case HTTP_AUTH_SLOW_DOWN:
    http_reply_error(req, E_TOO_MANY_REQUESTS, "Too many unknown keys came from your address.");
    break;
  case HTTP_AUTH_UNAVAILABLE:
    http_reply_busy(req, E_UNAVAILABLE, 2);
    break;
  }
}

/* *bearer: the header of a plain key, or NULL. */
static bool
read_credential(const struct http_request *req, struct http_credential *credential,
                const char **bearer)
{
  const char *header = http_header(req, MHD_HTTP_HEADER_AUTHORIZATION);
  *bearer = header && http_secret_parse_bearer(header, credential) ? header : NULL;
  if (header)
    return *bearer
           || ((req->route->flags & HTTP_BASIC) && http_secret_parse_basic(header, credential));
  const char *cookie = http_header(req, MHD_HTTP_HEADER_COOKIE);
  return cookie && http_secret_parse_cookie(cookie, credential);
}

bool
http_identity_find(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  unsigned flags = req->route->flags;
  if ((flags & HTTP_PUBLIC) && !(flags & HTTP_WHO))
    return true;
  const char *header = http_header(req, MHD_HTTP_HEADER_AUTHORIZATION);
  enum http_auth_result result = HTTP_AUTH_OK;
  if (!header
      || !http_auth_recall(req->server->auth, header, exchange->started_s, &exchange->identity))
  {
    struct http_credential credential;
    const char *bearer;
    if (!read_credential(req, &credential, &bearer))
    {
      exchange->identified = true;
      if (!(flags & HTTP_WHO))
        http_reply_error(req, E_UNAUTHENTICATED,
                         header ? "The Authorization header holds no API key of this server."
                                : NULL);
      return true;
    }
    result = http_auth_check(req->server->auth, &credential, bearer,
                             (const struct sockaddr *) &exchange->peer, &exchange->identity);
  }
  if (result == HTTP_AUTH_ASK)
    return false;
  /* The model of this key may have been made since the key was read: look again before refusing its id. */
  const struct http_identity *identity = &exchange->identity;
  if (result == HTTP_AUTH_OK && *identity->key_model && !*identity->key_model_id
      && strncmp(http_arg(req, "model"), "mdl_", 4) == 0)
    return false;
  settle(exchange, result);
  return true;
}

void
http_identity_ask(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  struct http_credential credential;
  const char *bearer;
  if (read_credential(req, &credential, &bearer))
    settle(exchange, http_auth_ask(req->server->auth, &credential,
                                   (const struct sockaddr *) &exchange->peer, &exchange->identity));
}
