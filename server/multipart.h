/* multipart/form-data (RFC 7578) taken apart as it arrives, in pieces of any size.
 *
 * Pure: what it finds goes to the caller's functions; it keeps no more than one part's head (8 KiB). Strict:
 * every part needs a form-data disposition with a name; lines end with CRLF; the closing delimiter must
 * come. One thread at a time.
 */
#ifndef ATTUNE_SERVER_MULTIPART_H
#define ATTUNE_SERVER_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define MULTIPART_BOUNDARY_MAX 70

struct multipart;

struct multipart_head
{
  const char *name;
  const char *file_name;    /* NULL = a plain field */
  const char *content_type; /* NULL = not told */
};

/* Each returns false to stop: multipart_feed then returns ERR_CANCELLED. */
struct multipart_sink
{
  bool (*begin)(void *context, const struct multipart_head *head);
  bool (*data)(void *context, const char *bytes, size_t length);
  bool (*end)(void *context);
  void *context;
};

/* Finds the boundary in a Content-Type header's value; false when there is none or it is not legal. */
bool multipart_boundary(const char *content_type, char boundary[MULTIPART_BOUNDARY_MAX + 1]);

/* NULL when out of memory. */
struct multipart *multipart_new(const char *boundary, size_t max_parts,
                                const struct multipart_sink *sink);
void multipart_free(struct multipart *multipart);

/* The next bytes of the body. ERR_INVALID when it is malformed, ERR_LIMIT when there are too many parts or
 * a head is too long, ERR_CANCELLED when the sink stopped; after a failure feed no more. */
enum err multipart_feed(struct multipart *multipart, const char *bytes, size_t length,
                        struct err_info *info);
/* The body is over: ERR_INVALID unless the closing delimiter came. */
enum err multipart_finish(const struct multipart *multipart, struct err_info *info);

#endif
