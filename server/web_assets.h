/* The pages, scripts and the OpenAPI document, compiled into the program by server/web/embed.py. */
#ifndef ATTUNE_SERVER_WEB_ASSETS_H
#define ATTUNE_SERVER_WEB_ASSETS_H

#include <stddef.h>

struct web_asset
{
  const char *name;
  const char *type;
  const char *etag;
  const unsigned char *bytes;
  size_t size;
};

/* Ended by one without a name. */
extern const struct web_asset web_assets[];

#endif
