#include <config.h>

#include "server/http_internal.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

static int
hex_value(char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

const char *
http_decode(struct arena *arena, const char *text, size_t length, bool is_path)
{
  char *out = arena_alloc(arena, length + 1);
  size_t size = 0;
  errno = out ? EINVAL : ENOMEM;
  if (!out)
    return NULL;
  for (size_t i = 0; i < length; i++)
  {
    char c = text[i];
    if (c == '%')
    {
      int high = i + 2 < length ? hex_value(text[i + 1]) : -1;
      int low = high >= 0 ? hex_value(text[i + 2]) : -1;
      if (low < 0)
        return NULL;
      c = (char) (high * 16 + low);
      i += 2;
      if (c == '\0' || (is_path && c == '/'))
        return NULL;
    }
    out[size++] = c;
  }
  out[size] = '\0';
  if (is_path && (strcmp(out, ".") == 0 || strcmp(out, "..") == 0))
    return NULL;
  return text_utf8_valid(out, size, NULL) ? out : NULL;
}
