#include <config.h>

#include "base/json.h"

#include <string.h>

/* Digits of a whole number that always fits 64 bits. */
#define SAFE_DIGITS 18

static bool
is_digit(char c)
{
  return c >= '0' && c <= '9';
}

/* The text with ".0" behind every whole number of more digits. */
static void
widen(const char *bytes, size_t length, struct buf *out)
{
  bool inside = false;
  for (size_t i = 0; i < length;)
  {
    size_t end = i + 1;
    bool number = !inside && is_digit(bytes[i]);
    if (bytes[i] == '"')
      inside = !inside;
    else if (inside && bytes[i] == '\\' && end < length)
      end++;
    while (number && end < length && is_digit(bytes[end]))
      end++;
    buf_append(out, bytes + i, end - i);
    char before = i > 0 ? bytes[i - 1] : ' ', after = end < length ? bytes[end] : ' ';
    if (number && end - i > SAFE_DIGITS && strchr(".eE+", before) == NULL
        && !(before == '-' && i > 1 && strchr("eE", bytes[i - 2]) != NULL)
        && strchr(".eE", after) == NULL)
      buf_append_text(out, ".0");
    i = end;
  }
}

json_t *
json_load_wide(const char *bytes, size_t length, size_t flags, json_error_t *error)
{
  json_error_t first, *said = error != NULL ? error : &first;
  json_t *value = json_loadb(bytes, length, flags, said);
  struct buf wide = {0};
  if (value != NULL || json_error_code(said) != json_error_numeric_overflow)
    return value;
  widen(bytes, length, &wide);
  if (!wide.failed)
    value = json_loadb(wide.data, wide.length, flags, said);
  buf_free(&wide);
  return value;
}
