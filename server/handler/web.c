#include <config.h>

#include "server/handler/handlers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/web_assets.h"

static const struct web_asset *
find_asset(const char *name)
{
  for (const struct web_asset *asset = web_assets; asset->name; asset++)
    if (strcmp(asset->name, name) == 0)
      return asset;
  return NULL;
}

/* Whether the caller takes gzip (RFC 9110, 12.5.3): it is named, and not with a quality of 0. */
static bool
takes_gzip(struct http_request *req)
{
  const char *accepted = http_header(req, "Accept-Encoding");
  const char *found = accepted ? strcasestr(accepted, "gzip") : NULL;
  const char *quality;

  if (!found)
    return false;
  found += strlen("gzip");
  found += strspn(found, " \t");
  if (*found != ';')
    return *found == '\0' || *found == ',';
  quality = found + 1 + strspn(found + 1, " \t");
  return strncasecmp(quality, "q=", 2) != 0 || strtod(quality + 2, NULL) > 0.0;
}

static enum http_outcome
reply_asset(struct http_request *req, const char *name)
{
  const struct web_asset *asset = find_asset(name);
  if (!asset)
  {
    http_reply_error(req, E_NOT_FOUND, NULL);
    return HTTP_REPLIED;
  }
  http_reply_header(req, "Vary", "Accept-Encoding");
  if (takes_gzip(req))
  {
    http_reply_header(req, "Content-Encoding", "gzip");
    http_reply_static(req, asset->type, asset->packed_etag, asset->packed, asset->packed_size);
  }
  else
    http_reply_static(req, asset->type, asset->etag, asset->bytes, asset->size);
  return HTTP_REPLIED;
}

enum http_outcome
handle_openapi(struct http_request *req)
{
  return reply_asset(req, "openapi.json");
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
