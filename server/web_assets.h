/* The pages, scripts and the OpenAPI document, compiled into the program by server/web/embed.py. */
#ifndef ATTUNE_SERVER_WEB_ASSETS_H
#define ATTUNE_SERVER_WEB_ASSETS_H

#include <stddef.h>

struct web_asset
{
  const char *name;
  const char *type;
  const char *etag, *packed_etag; /* in quotes */
  const unsigned char *bytes;
  size_t size;
  const unsigned char *packed; /* the same by gzip */
  size_t packed_size;
};

/* Ended by one without a name. */
extern const struct web_asset web_assets[];

#endif
