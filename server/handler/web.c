#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "server/web_assets.h"

static const struct web_asset *
find_asset(const char *name)
{
  for (const struct web_asset *asset = web_assets; asset->name; asset++)
    if (strcmp(asset->name, name) == 0)
      return asset;
  return NULL;
}

static enum http_outcome
reply_asset(struct http_request *req, const char *name)
{
  const struct web_asset *asset = find_asset(name);
  if (asset)
    http_reply_static(req, asset->type, asset->etag, asset->bytes, asset->size);
  else
    http_reply_error(req, E_NOT_FOUND, NULL);
  return HTTP_REPLIED;
}

enum http_outcome
handle_web_asset(struct http_request *req)
{
  return reply_asset(req, http_arg(req, "file"));
}

enum http_outcome
handle_web_document(struct http_request *req)
{
  return reply_asset(req, arena_printf(req->arena, "docs-%s.html", http_arg(req, "page")));
}

enum http_outcome
handle_web_page(struct http_request *req)
{
  return reply_asset(req, "page.html");
}
