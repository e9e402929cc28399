#include <config.h>

#include "data/csv_write.h"

#include <string.h>

void
csv_write_field(const char *text, size_t length, bool quoted, struct buf *out)
{
  for (size_t i = 0; i < length && !quoted; i++)
    quoted = text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
  if (!quoted)
  {
    buf_append(out, text, length);
    return;
  }
  buf_append(out, "\"", 1);
  for (size_t from = 0; from < length;)
  {
    const char *quote = memchr(text + from, '"', length - from);
    size_t upto = quote != NULL ? (size_t) (quote - text) + 1 : length;
    buf_append(out, text + from, upto - from);
    if (quote != NULL)
      buf_append(out, "\"", 1);
    from = upto;
  }
  buf_append(out, "\"", 1);
}
