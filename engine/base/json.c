#include <config.h>

#include "base/json.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

/* A place in the text, counted from 1; columns count characters. */
struct place
{
  size_t line;
  size_t column;
};

static struct place
place_of(const char *bytes, size_t offset)
{
  struct place place = {1, 1};
  for (size_t i = 0; i < offset; i++)
    if (bytes[i] == '\n')
    {
      place.line++;
      place.column = 1;
    }
    else if (((unsigned char) bytes[i] & 0xC0) != 0x80)
      place.column++;
  return place;
}

/* Where the nesting first goes over max_depth, or SIZE_MAX. Jansson recurses, so this comes first. */
static size_t
find_too_deep(const char *bytes, size_t length, size_t max_depth)
{
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < length; i++)
  {
    char c = bytes[i];
    if (in_string)
    {
      if (c == '\\')
        i++;
      else if (c == '"')
        in_string = false;
    }
    else if (c == '"')
      in_string = true;
    else if (c == '[' || c == '{')
    {
      if (++depth > max_depth)
        return i;
    }
    else if ((c == ']' || c == '}') && depth > 0)
      depth--;
  }
  return SIZE_MAX;
}

static bool
is_blank(const char *bytes, size_t length)
{
  for (size_t i = 0; i < length; i++)
    if (!strchr(" \t\r\n", bytes[i]) || bytes[i] == '\0')
      return false;
  return true;
}

enum err
json_parse(const char *bytes, size_t length, size_t max_depth, json_t **value,
           struct err_info *info)
{
  *value = NULL;
  if (length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0)
  {
    bytes += 3;
    length -= 3;
  }
  size_t at;
  if (!text_utf8_valid(bytes, length, &at))
  {
    struct place place = place_of(bytes, at);
    return err_set(info, ERR_INVALID, "line %zu, column %zu: not valid UTF-8", place.line,
                   place.column);
  }
  at = find_too_deep(bytes, length, max_depth);
  if (at != SIZE_MAX)
  {
    struct place place = place_of(bytes, at);
    return err_set(info, ERR_INVALID, "line %zu, column %zu: nested deeper than %zu levels",
                   place.line, place.column, max_depth);
  }
  if (is_blank(bytes, length))
    return err_set(info, ERR_INVALID, "line 1, column 1: empty, a JSON value is expected");

  json_error_t error;
  *value = json_load_wide(bytes, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
  if (*value)
    return ERR_OK;
  if (json_error_code(&error) == json_error_out_of_memory)
    return err_set(info, ERR_MEMORY, "out of memory while reading JSON");
  return err_set(info, ERR_INVALID, "line %d, column %d: %s", error.line, error.column, error.text);
}

const char *
json_get_string(const json_t *object, const char *name, const char *fallback)
{
  const char *text = json_string_value(json_object_get(object, name));
  return text ? text : fallback;
}

double
json_get_number(const json_t *object, const char *name, double fallback)
{
  const json_t *value = json_object_get(object, name);
  return json_is_number(value) ? json_number_value(value) : fallback;
}

uint64_t
json_get_count(const json_t *object, const char *name, uint64_t fallback)
{
  const json_t *value = json_object_get(object, name);
  if (!json_is_number(value))
    return fallback;
  return (uint64_t) fmin(fmax(json_number_value(value), 0.0), 0x1p53);
}

json_int_t
json_get_integer(const json_t *object, const char *name, json_int_t fallback)
{
  const json_t *value = json_object_get(object, name);
  if (json_is_integer(value))
    return json_integer_value(value);
  double real = json_is_real(value) ? json_real_value(value) : NAN;
  return fabs(real) <= 0x1p53 ? (json_int_t) real : fallback;
}

bool
json_get_bool(const json_t *object, const char *name, bool fallback)
{
  const json_t *value = json_object_get(object, name);
  return json_is_boolean(value) ? json_is_true(value) : fallback;
}

json_t *
json_real_or_null(double value)
{
  return isfinite(value) ? json_real(value) : json_null();
}
