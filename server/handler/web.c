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

static void
reply_asset(struct http_request *req, int status, const struct web_asset *asset)
{
  bool packed = takes_gzip(req);
  const char *etag = packed ? asset->packed_etag : asset->etag;
  http_reply_header(req, "Vary", "Accept-Encoding");
  if (packed)
    http_reply_header(req, "Content-Encoding", "gzip");
  http_reply_static(req, status, asset->type, status == 200 ? etag : NULL,
                    packed ? asset->packed : asset->bytes,
                    packed ? asset->packed_size : asset->size);
}

static enum http_outcome
reply_named(struct http_request *req, const char *name)
{
  const struct web_asset *asset = find_asset(name);
  if (!asset)
    return handle_web_missing(req);
  reply_asset(req, 200, asset);
  return HTTP_REPLIED;
}

enum http_outcome
handle_web_missing(struct http_request *req)
{
  const char *accepted = http_header(req, "Accept");
  const struct web_asset *page = find_asset("page.html");
  if (page && accepted && strstr(accepted, "text/html"))
    reply_asset(req, 404, page);
  else
    http_reply_error(req, E_NOT_FOUND, NULL);
  return HTTP_REPLIED;
}

enum http_outcome
handle_openapi(struct http_request *req)
{
  return reply_named(req, "openapi.json");
}

enum http_outcome
handle_web_asset(struct http_request *req)
{
  return reply_named(req, http_arg(req, "file"));
}

enum http_outcome
handle_web_document(struct http_request *req)
{
  return reply_named(req, arena_printf(req->arena, "docs-%s.html", http_arg(req, "page")));
}

enum http_outcome
handle_web_page(struct http_request *req)
{
  return reply_named(req, "page.html");
}
